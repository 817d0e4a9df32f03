"""Settings of Ray that hold for every test: a busy machine may take minutes to start it, and no worker is spare."""

import os

# read by Ray when it is imported, so they are set before any test imports it
os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "180")
os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "180")
os.environ.setdefault("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "180")
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # as a search sets it
