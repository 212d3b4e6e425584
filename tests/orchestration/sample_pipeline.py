"""The smallest pipeline that can be declared."""

from __future__ import annotations

from datetime import date

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.features import Windowed
from nightcast.domain.model_spec import Model, Scale
from nightcast.domain.pipeline import Forecast, Measure, Pipeline, PipelineFolder, Schedule, Source, Universe
from nightcast.settings import from_environment


def sample_folder(name: str = "toy", shards: int = 2) -> PipelineFolder:
    """Units per sku, three days ahead."""
    columns = {
        "sku": Column(type=ColumnType.STRING, role=Role.KEY),
        "day": Column(type=ColumnType.DATE, role=Role.TIME),
        "quantity": Column(type=ColumnType.INTEGER, role=Role.MEASURE),
    }
    pipeline = Pipeline(
        name=name,
        version=1,
        title="Toys sold",
        owner="toy-team",
        tags=("toys",),
        shards=shards,
        schedule=Schedule(cron="0 2 * * *", timezone="Europe/London", first_night=date(2011, 10, 24)),
        source=Source(connection="shop", columns=columns),
        measures={"units": Measure(sum="quantity")},
        forecast=Forecast(target="units", horizon=3, universe=Universe(min_active_days=1, trailing_days=7)),
        features=(Windowed(feature="rolling_mean", of="units", windows=(7,)),),
        model=Model(family="hist_gradient_boosting", parameters={}, scale=Scale(blend={7: 1.0}, floor=0.5)),
    )
    return PipelineFolder(pipeline=pipeline, files={}, digest="ab" * 32)


def sample_dags() -> None:
    """Both DAGs of the pipeline; for use in a DAG file."""
    from nightcast.orchestration.inference import inference_dag
    from nightcast.orchestration.retraining import retraining_dag

    inference_dag(sample_folder(), from_environment({}))
    retraining_dag(sample_folder(), from_environment({}))
