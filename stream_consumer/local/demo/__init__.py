"""The demo: the main job on this machine, from rides to a report."""
