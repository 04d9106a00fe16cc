"""The same model behind LitServe, which puts requests into batches."""

import sys
from pathlib import Path

import litserve

from benchmarks.serving import PORT, PREDICT, signature_of

ROWS, DELAY = 32, 0.002  # of a batch, in seconds


class Api(litserve.LitAPI):
    """Asks the model for a batch of texts."""

    def setup(self, device):
        """Loads the model."""
        self.model = signature_of(Path(sys.argv[1]))

    def decode_request(self, request):
        """Returns the text of a request."""
        return request["instances"][0]

    def predict(self, texts):
        """Returns an answer for each text."""
        return self.model(texts)

    def encode_response(self, output):
        """Returns what is sent."""
        return {"predictions": [output]}


if __name__ == "__main__":
    api = Api(max_batch_size=ROWS, batch_timeout=DELAY, api_path=PREDICT)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(port=PORT, log_level="error", generate_client_file=False)
