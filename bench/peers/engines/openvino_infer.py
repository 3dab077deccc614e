"""OpenVINO on its own files, converted from ONNX; serve.py says how it is asked.

Variants: the whole batch in one stream of all threads, or a stream for each thread and the batch shared among them.
Without the hint f32 it would compute in bf16 where a processor can.
"""
import numpy as np
import openvino

import serve

CORE = openvino.Core()


class OpenVino(serve.Engine):
    version = openvino.__version__.split("-")[0]

    @staticmethod
    def variants(batch):
        ways = ["one_stream", "streams"] if batch > 1 else ["one_stream"]
        bf16 = "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return {"f32": ways, **({"bf16": ways} if bf16 else {})}

    def prepare(self):
        model = openvino.convert_model(self.path("model.onnx"))
        openvino.save_model(model, self.path("openvino.xml"), compress_to_fp16=False)

    def open(self):
        streams = 1 if self.variant == "one_stream" else self.threads
        if self.batch % streams:
            raise ValueError(f"{self.batch} pictures for {streams} streams")
        model = CORE.read_model(self.path("openvino.xml"))
        pictures = self.pictures_nchw()
        model.reshape({0: [self.batch // streams, *pictures.shape[1:]]})
        config = {"INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": self.precision,
                  "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT"}
        compiled = CORE.compile_model(model, "CPU", config)
        names = [next(iter(o.names)) for o in compiled.outputs]
        self.logits = names.index("logits") if "logits" in names else 0
        self.requests = [compiled.create_infer_request() for _ in range(streams)]
        self.parts = np.split(pictures, streams)
        for request, part in zip(self.requests, self.parts):
            request.set_input_tensor(openvino.Tensor(part, shared_memory=True))

    def run(self):
        for request in self.requests[1:]:
            request.start_async()
        self.requests[0].infer()
        for request in self.requests[1:]:
            request.wait()

    def output(self):
        return np.concatenate([request.get_output_tensor(self.logits).data for request in self.requests])


if __name__ == "__main__":
    serve.main(OpenVino)
