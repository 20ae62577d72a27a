-- When the last checkpoint was made.
-- since: 15
SELECT checkpoint_time AS at FROM pg_control_checkpoint()
