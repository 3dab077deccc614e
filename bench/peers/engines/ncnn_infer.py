"""ncnn on what its converter pnnx makes of PyTorch's network; serve.py says how it is asked.

It runs one picture at a time.  Variants for a batch: one after the other on all threads, or as many at once as there
are threads, one thread for each.
"""
import concurrent.futures
import os

import ncnn
import numpy as np

import serve


class Ncnn(serve.Engine):
    version = ncnn.__version__

    @staticmethod
    def variants(batch):
        ways = ["in_turn", "at_once"] if batch > 1 else ["in_turn"]
        return {"f32": ways, **({"bf16": ways} if serve.has_bf16() else {})}

    def prepare(self):
        import pnnx
        import pytorch_nets
        net = pytorch_nets.load(self.folder, self.about())
        h, w, c = self.about()["input"]
        here = os.getcwd()
        os.makedirs(self.path("ncnn"), exist_ok=True)
        os.chdir(self.path("ncnn"))
        pnnx.export(net, "net.pt", (pytorch_nets.torch.zeros(1, c, h, w),), fp16=False)
        os.chdir(here)
        for name in os.listdir(self.path("ncnn")):
            if ".ncnn." not in name:
                os.remove(self.path(os.path.join("ncnn", name)))

    def open(self):
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = 1 if self.variant == "at_once" else self.threads
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_packed = options.use_bf16_storage = self.precision == "bf16"
        if self.net.load_param(self.path("ncnn/net.ncnn.param")) or self.net.load_model(self.path("ncnn/net.ncnn.bin")):
            raise ValueError("ncnn cannot load its files")
        self.inputs = list(self.pictures_nchw())
        self.results = [None] * self.batch
        self.pool = concurrent.futures.ThreadPoolExecutor(self.threads) if self.variant == "at_once" else None

    def one(self, i):
        extractor = self.net.create_extractor()
        extractor.input("in0", ncnn.Mat(self.inputs[i]))
        self.results[i] = extractor.extract("out0")[1]

    def run(self):
        if self.pool:
            list(self.pool.map(self.one, range(self.batch)))
        else:
            for i in range(self.batch):
                self.one(i)

    def output(self):
        return np.stack([np.array(result) for result in self.results])


if __name__ == "__main__":
    serve.main(Ncnn)
