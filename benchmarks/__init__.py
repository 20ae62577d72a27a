"""What the console costs, as ratios that are taken within one run, so that they hold on any machine."""
