"""
The plain Flask application that most tutorials end with: JSON in, scikit-learn's own predict, JSON out.

Waitress serves it, as Flask's documentation has it and faster here than Gunicorn with one worker; with more than one
Gunicorn does, since Waitress is one process. ``python -m benchmarks.flask_app MODEL PORT`` is the former.
"""

import sys
from pathlib import Path

import waitress
from flask import Flask, Response, jsonify, request

from stream_consumer.models.skops_file import load_skops


def flask_app(model: str) -> Flask:
    predict = load_skops(Path(model) / "model.skops", model, pinned=False).predict
    app = Flask(__name__)

    @app.post("/predict")
    def answer() -> Response:
        event = request.get_json()
        ride = event["ride"]
        [minutes] = predict([[ride["PULocationID"], ride["DOLocationID"], ride["trip_distance"]]])
        prediction = {"ride_duration": float(minutes), "ride_id": event["ride_id"]}
        return jsonify(model="ride-duration", version="1", prediction=prediction)

    return app


def main(model: str, port: str) -> None:
    waitress.serve(flask_app(model), host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
