-- Rows of a shop. Numbers are scattered by multiplication with odd constants modulo 2**32, as hash tables do.
CREATE UNLOGGED TABLE sales_line AS
SELECT
    'SKU' || lpad(floor(%(keys)s * u * u)::bigint::text, 7, '0') AS sku,
    %(first)s::date
    + (n / %(per_day)s)::int
    + interval '8 hours'
    + (n %% %(per_day)s) * (interval '36000 seconds' / %(per_day)s) AS sold_at,
    CASE WHEN kind = 'cancellation' THEN 'C' ELSE '' END || lpad((n / 8 %% 900000 + 100000)::text, 6, '0') AS invoice,
    1::bigint AS delivery,
    CASE WHEN v < 0.8 THEN (12000 + floor(v * 5000))::text END AS customer,
    CASE WHEN v < 0.9 THEN 'United Kingdom' WHEN v < 0.95 THEN 'Germany' ELSE 'France' END AS country,
    kind,
    pieces AS quantity,
    price,
    pieces * price AS amount,
    kind = 'cancellation' AS cancels,
    kind = 'write_off' AS free
FROM (
    SELECT
        n,
        n * 2654435761 %% 4294967296 / 4294967296.0::float8 AS u,
        n * 1597334677 %% 4294967296 / 4294967296.0::float8 AS v
    FROM generate_series(0, %(rows)s::bigint - 1) AS g (n)
) AS scattered
CROSS JOIN LATERAL (
    SELECT CASE WHEN v > 0.998 THEN 'write_off' WHEN v > 0.98 THEN 'cancellation' ELSE 'sale' END AS kind
) AS k
CROSS JOIN LATERAL (
    SELECT
        (1 + floor(v * 24))::bigint * CASE WHEN kind = 'cancellation' THEN -1 ELSE 1 END AS pieces,
        CASE WHEN kind = 'write_off' THEN 0 ELSE round((0.4 + v * 20)::numeric, 3) END AS price
) AS p
