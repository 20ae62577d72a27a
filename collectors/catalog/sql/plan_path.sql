-- Where a role's statements look up their names in this database, as it is set for the role; empty where it is not set.
-- since: 15
SELECT
    coalesce(
        (
            -- Octets: what was set in a database of another encoding is no text in this one.
            SELECT substring(textsend(one.entry) FROM 13 FOR %(octets)s)
            FROM pg_db_role_setting AS s
            CROSS JOIN LATERAL unnest(s.setconfig) AS one (entry)
            LEFT JOIN pg_roles AS r ON r.oid = s.setrole
            LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
            WHERE substring(textsend(one.entry) FROM 1 FOR 12) = 'search_path='
                AND (s.setrole = 0 OR r.rolname = %(role)s)
                AND (s.setdatabase = 0 OR d.datname = current_database())
            -- The most exact one holds.
            ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
            LIMIT 1
        ),
        ''
    ) AS path,
    (SELECT pg_encoding_to_char(d.encoding)::text FROM pg_database AS d WHERE d.datname = current_database()) AS encoding
