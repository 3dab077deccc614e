"""PyTorch on the weights of `kohl export --to torchvision`; serve.py says how it is asked.

Variants, f32: channels last or first, as it comes; traced, frozen and optimized for inference (batch-norm folded,
oneDNN's own layouts); torch.compile with frozen weights, left out where there is no C++ compiler.
bf16: autocast, or everything in bf16, both channels last.
"""
import warnings

import torch

import pytorch_nets
import serve


class PyTorch(serve.Engine):
    version = torch.__version__

    @staticmethod
    def variants(batch):
        bf16 = {"bf16": ["autocast", "weights"]} if serve.has_bf16() else {}
        return {"f32": ["channels_last", "contiguous", "jit", "compile"], **bf16}

    def open(self):
        torch.set_num_threads(self.threads)
        warnings.simplefilter("ignore")
        net = pytorch_nets.load(self.folder, self.about())
        x = torch.from_numpy(self.pictures_nchw())
        if self.precision == "bf16" or self.variant == "channels_last":
            net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        if self.variant == "weights":
            net, x = net.bfloat16(), x.bfloat16()
        if self.variant == "jit":
            net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))
        if self.variant == "compile":
            import torch._inductor.config as config
            config.freezing, config.compile_threads = True, 1
            net = torch.compile(net)
        self.net, self.x = net, x
        if self.variant == "compile":
            self.run()

    def run(self):
        # torch.compile freezes weights under no_grad only
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.variant == "autocast"):
            self.result = self.net(self.x)

    def output(self):
        return self.result.float().numpy()


if __name__ == "__main__":
    serve.main(PyTorch)
