"""ONNX Runtime on what `kohl export --to onnx` writes; serve.py says how it is asked."""
import numpy as np
import onnxruntime

import serve


class OnnxRuntime(serve.Engine):
    version = onnxruntime.__version__

    def open(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_free_dimension_override_by_name("N", self.batch)
        self.session = onnxruntime.InferenceSession(self.path("model.onnx"), options, providers=["CPUExecutionProvider"])
        self.feed = {"input": self.pictures_nchw()}
        names = [o.name for o in self.session.get_outputs()]
        self.names = ["logits"] if "logits" in names else names

    def run(self):
        self.result = self.session.run(self.names, self.feed)

    def output(self):
        return np.asarray(self.result[0])


if __name__ == "__main__":
    serve.main(OnnxRuntime)
