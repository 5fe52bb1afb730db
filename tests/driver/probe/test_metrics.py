"""Picking figures out of Prometheus text."""

from labdriver.probe.metrics import figures

PAGE = """# HELP labsvc_requests_in_flight requests being served
# TYPE labsvc_requests_in_flight gauge
labsvc_requests_in_flight 3.0
labsvc_requests_total{method="GET",route="/quotes/{sku}",status="200"} 40.0
labsvc_requests_total{method="POST",route="/x,status=\\"9\\"",status="200"} 2 1760000000000
labsvc_requests_total{method="GET",route="/quotes/{sku}",status="504"} 1.0
labsvc_requests_created{method="GET",route="/quotes/{sku}",status="504"} 1.7e+09
labsvc_dependency_calls_in_flight{operation="pricing"} 2.0
labsvc_dependency_calls_in_flight{operation="payment"} 1.0
labsvc_background_requests_total{method="GET",route="/quotes/{sku}",status="200"} 5.0
labsvc_background_requests_in_flight 1.0
labsvc_background_request_seconds_count 5.0
labsvc_background_request_seconds_sum 0.5
labsvc_maintenance_left_seconds 0.0
labsvc_maintenance_refused_total 2.0
labsvc_db_pool_waiting 4.0
labsvc_db_pool_in_use NaN
labsvc_cpu_seconds_total 1.25
python_gc_objects_collected_total{generation="0"} 812.0
"""


def test_figures_are_the_wanted_ones_summed_by_label() -> None:
    """Series that differ in other labels add up; NaN, comments and strangers are left out."""
    assert figures(PAGE) == {
        "in_flight": 3.0,
        "responses.200": 42.0,
        "responses.504": 1.0,
        "calls_in_flight.pricing": 2.0,
        "calls_in_flight.payment": 1.0,
        "background_responses.200": 5.0,
        "background_in_flight": 1.0,
        "background_s": 0.5,
        "maintenance_left_s": 0.0,
        "maintenance_refused": 2.0,
        "db_waiting": 4.0,
        "cpu_s": 1.25,
    }


def test_figures_of_something_else_are_empty() -> None:
    """A page that is no metrics page, or broken in the middle of a line."""
    assert figures("<html>labsvc_requests_in_flight 3</html>") == {}
    assert figures("labsvc_requests_in_flight") == {}
    assert figures("labsvc_requests_in_flight many") == {}
