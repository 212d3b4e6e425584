-- Roles: nightcast_owner owns the tables, nightcast_writer runs nights, nightcast_monitor watches them, the analyst role
-- reads schema forecast.

-- name: create_role
CREATE ROLE {role}

-- name: set_password
ALTER ROLE {role} WITH LOGIN PASSWORD {password}

-- name: database
SELECT 1 AS yes FROM pg_database WHERE datname = %(name)s

-- name: create_database
CREATE DATABASE {database} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0

-- name: close_database
REVOKE ALL ON DATABASE {database} FROM PUBLIC
