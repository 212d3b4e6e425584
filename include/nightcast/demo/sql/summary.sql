-- name: Ten rows of the newest forecast (forecast.daily_demand)
SELECT sku, origin, target_date, horizon, mean, q10, q50, q90, model_version, revision
FROM forecast.daily_demand
WHERE horizon = 1 OR target_date = (SELECT min(target_date) FROM forecast.daily_demand)
ORDER BY mean DESC, sku
LIMIT 10;

-- name: How these nights did, as far as their days have come (forecast.daily_demand_accuracy; shares)
SELECT
    origin,
    max(days_compared) FILTER (WHERE metric = 'wape_day')
    || ' of '
    || max(days_forecast) FILTER (WHERE metric = 'wape_day') AS days_come,
    max(n) FILTER (WHERE metric = 'wape_day') AS rows,
    max(metric_value) FILTER (WHERE metric = 'wape_day' AND method = 'model') AS wape_day,
    max(metric_value) FILTER (WHERE metric = 'wape_day' AND method = 'seasonal_naive') AS naive,
    max(metric_value) FILTER (WHERE metric = 'value_added_day') AS value_added,
    max(metric_value) FILTER (WHERE metric = 'wape_horizon' AND method = 'model') AS wape_horizon,
    max(metric_value) FILTER (WHERE metric = 'bias' AND method = 'model') AS bias,
    max(metric_value) FILTER (WHERE metric = 'coverage') AS coverage,
    max(metric_value) FILTER (WHERE metric = 'churn') AS churn
FROM forecast.daily_demand_accuracy
WHERE horizon_bucket = 'all' AND slice = ''
GROUP BY origin
ORDER BY origin;

-- name: The day after each night, by how many of the last 91 days an article sold on (same view; all nights together)
SELECT
    slice,
    sum(n) FILTER (WHERE metric = 'wape_day' AND method = 'model') AS rows,
    sum(metric_value * sum_actual) FILTER (WHERE metric = 'wape_day' AND method = 'model')
    / sum(sum_actual) FILTER (WHERE metric = 'wape_day' AND method = 'model') AS wape_day,
    sum(metric_value * sum_actual) FILTER (WHERE metric = 'wape_day' AND method = 'seasonal_naive')
    / sum(sum_actual) FILTER (WHERE metric = 'wape_day' AND method = 'seasonal_naive') AS naive,
    sum(metric_value * sum_actual) FILTER (WHERE metric = 'bias' AND method = 'model')
    / sum(sum_actual) FILTER (WHERE metric = 'bias' AND method = 'model') AS bias,
    sum(metric_value * n) FILTER (WHERE metric = 'coverage') / sum(n) FILTER (WHERE metric = 'coverage') AS coverage
FROM forecast.daily_demand_accuracy
WHERE horizon_bucket = '1'
GROUP BY slice
ORDER BY slice;
