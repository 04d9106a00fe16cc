"""The same model behind LitServe, which computes requests as batches."""

import sys
from pathlib import Path

import litserve

from benchmarks.serving import PORT, predict_path, signature_of

ROWS, DELAY = 32, 0.002  # of a batch, in seconds


class Api(litserve.LitAPI):
    """Classifies a batch of texts."""

    def setup(self, device):
        """Load the model."""
        self.model = signature_of(Path(sys.argv[1]))

    def decode_request(self, request):
        """Return the text of a request."""
        return request["instances"][0]

    def predict(self, texts):
        """Return an answer for each text."""
        return self.model(texts)

    def encode_response(self, output):
        """Return the body of the response."""
        return {"predictions": [output]}


if __name__ == "__main__":
    api = Api(max_batch_size=ROWS, batch_timeout=DELAY, api_path=predict_path(Path(sys.argv[1])))
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(port=PORT, log_level="error", generate_client_file=False)
