-- The shop's invoice lines of the window, each with its kind. No line's kind depends on another day.
WITH line AS (
  SELECT
    line,
    delivery,
    invoice,
    upper(trim(stock_code)) AS sku,
    sold_at,
    customer_id,
    country,
    quantity,
    price,
    CASE
      WHEN upper(trim(stock_code)) !~ '^\d{5}[A-Z]{0,2}$' THEN 'other'  -- postage, fees, samples, tests, bad debt
      WHEN invoice LIKE 'C%' THEN 'cancellation'
      WHEN price <= 0 OR quantity <= 0 THEN 'write_off'  -- stock corrections, goods given away
      ELSE 'sale'
    END AS kind
  FROM sales_line
  WHERE sold_at >= :window_start AND sold_at < :window_end
),
ranked AS (
  SELECT *, row_number() OVER (
    PARTITION BY delivery, customer_id, sku, sold_at::date, abs(quantity), kind ORDER BY sold_at, line
  ) AS nth
  FROM line
)
SELECT
  sku,
  sold_at,
  invoice,
  delivery,
  customer_id::text AS customer,
  country,
  -- A keying error is sold and cancelled on one day: the nth sale of a customer, article, day and number of pieces is
  -- void where the nth such cancellation is not earlier.
  CASE
    WHEN kind = 'sale' AND customer_id IS NOT NULL AND sold_at <= max(sold_at) FILTER (WHERE kind = 'cancellation') OVER (
      PARTITION BY delivery, customer_id, sku, sold_at::date, abs(quantity), nth
    ) THEN 'void'
    ELSE kind
  END AS kind,
  quantity,
  price,
  quantity * price AS amount,
  invoice LIKE 'C%' AS cancels,
  price = 0 AND quantity > 0 AS free
FROM ranked
