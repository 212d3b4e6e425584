-- name: Ten rows of the newest forecast (forecast.daily_demand)
SELECT sku, origin, target_date, horizon, mean, q10, q50, q90, model_version, revision
FROM forecast.daily_demand
WHERE horizon = 1 OR target_date = (SELECT min(target_date) FROM forecast.daily_demand)
ORDER BY mean DESC, sku
LIMIT 10;

-- name: The matured part of these nights (forecast.daily_demand_accuracy)
SELECT
    origin,
    metric,
    maturity,
    max(n) AS rows,
    max(metric_value) FILTER (WHERE method = 'model') AS model,
    max(metric_value) FILTER (WHERE method = 'seasonal_naive') AS seasonal_naive
FROM forecast.daily_demand_accuracy
WHERE horizon_bucket = 'all'
GROUP BY origin, metric, maturity
ORDER BY origin, metric, maturity;
