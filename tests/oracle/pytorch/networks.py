"""VGG-19, AlexNet, ResNet-101 and Inception-v3 as torchvision has them, its names included, for a PyTorch that has no
torchvision beside it; and random numbers for their weights.

    from networks import vgg19, alexnet, resnet101, inception_v3, draw

Layers, sizes and names are those that the published weights ask for.  classes and width make smaller ones:
width divides the number of channels of every layer.
"""
import torch
import torch.nn.functional as F
from torch import nn


def draw(model, seed):
    """He's scale for filters, batch-norms whose statistics are not the usual 0 and 1; numbers stay near 1."""
    g = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan) ** 0.5, generator=g)
            if module.bias is not None:
                module.bias.data.uniform_(-0.1, 0.1, generator=g)
        elif isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            module.weight.data.uniform_(0.5, 1.0, generator=g)
            module.bias.data.uniform_(-0.2, 0.2, generator=g)
            module.running_mean.uniform_(-0.2, 0.2, generator=g)
            module.running_var.uniform_(0.5, 1.5, generator=g)
    return model.eval()


class VGG(nn.Module):
    def __init__(self, blocks, classes, width):
        super().__init__()
        layers, c = [], 3
        for count, k in blocks:
            for _ in range(count):
                layers += [nn.Conv2d(c, k // width, 3, padding=1), nn.ReLU(inplace=True)]
                c = k // width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(nn.Linear(c * 49, 4096 // width), nn.ReLU(True), nn.Dropout(),
                                        nn.Linear(4096 // width, 4096 // width), nn.ReLU(True), nn.Dropout(),
                                        nn.Linear(4096 // width, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def vgg19(classes=1000, width=1):
    return VGG(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)), classes, width)


class AlexNet(nn.Module):
    def __init__(self, classes=1000):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(True), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(True),
            nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(True), nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(True), nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(True), nn.Dropout(),
                                        nn.Linear(4096, 4096), nn.ReLU(True), nn.Linear(4096, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def alexnet(classes=1000):
    return AlexNet(classes)


class Bottleneck(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, k, 1, bias=False), nn.BatchNorm2d(k)
        self.conv2, self.bn2 = nn.Conv2d(k, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
        self.conv3, self.bn3 = nn.Conv2d(k, 4 * k, 1, bias=False), nn.BatchNorm2d(4 * k)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or c != 4 * k:
            self.downsample = nn.Sequential(nn.Conv2d(c, 4 * k, 1, stride, bias=False), nn.BatchNorm2d(4 * k))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self, blocks, classes, width):
        super().__init__()
        c = 64 // width
        self.conv1, self.bn1 = nn.Conv2d(3, c, 7, 2, 3, bias=False), nn.BatchNorm2d(c)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        for i, count in enumerate(blocks):
            k, layers = 64 * 2 ** i // width, []
            for j in range(count):
                layers.append(Bottleneck(c, k, 2 if i and not j else 1))
                c = 4 * k
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(c, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet101(classes=1000, width=1):
    return ResNet((3, 4, 23, 3), classes, width)


def small_resnet(classes=10, width=16):
    return ResNet((1, 2, 1, 1), classes, width)


class Cell(nn.Module):
    def __init__(self, c, k, size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(c, k, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(k, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


def average(x):
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


class MixedA(nn.Module):
    def __init__(self, c, pool, w):
        super().__init__()
        self.branch1x1 = Cell(c, 64 // w, 1)
        self.branch5x5_1, self.branch5x5_2 = Cell(c, 48 // w, 1), Cell(48 // w, 64 // w, 5, padding=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Cell(c, 64 // w, 1), Cell(64 // w, 96 // w, 3, padding=1)
        self.branch3x3dbl_3 = Cell(96 // w, 96 // w, 3, padding=1)
        self.branch_pool = Cell(c, pool // w, 1)

    def forward(self, x):
        return torch.cat((self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)),
                          self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
                          self.branch_pool(average(x))), 1)


class MixedB(nn.Module):
    def __init__(self, c, w):
        super().__init__()
        self.branch3x3 = Cell(c, 384 // w, 3, 2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Cell(c, 64 // w, 1), Cell(64 // w, 96 // w, 3, padding=1)
        self.branch3x3dbl_3 = Cell(96 // w, 96 // w, 3, 2)

    def forward(self, x):
        return torch.cat((self.branch3x3(x), self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
                          F.max_pool2d(x, kernel_size=3, stride=2)), 1)


class MixedC(nn.Module):
    def __init__(self, c, m, w):
        super().__init__()
        m, k, row, column = m // w, 192 // w, dict(size=(1, 7), padding=(0, 3)), dict(size=(7, 1), padding=(3, 0))
        self.branch1x1 = Cell(c, k, 1)
        self.branch7x7_1, self.branch7x7_2, self.branch7x7_3 = Cell(c, m, 1), Cell(m, m, **row), Cell(m, k, **column)
        self.branch7x7dbl_1, self.branch7x7dbl_2 = Cell(c, m, 1), Cell(m, m, **column)
        self.branch7x7dbl_3, self.branch7x7dbl_4 = Cell(m, m, **row), Cell(m, m, **column)
        self.branch7x7dbl_5, self.branch_pool = Cell(m, k, **row), Cell(c, k, 1)

    def forward(self, x):
        y = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return torch.cat((self.branch1x1(x), self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
                          self.branch7x7dbl_5(self.branch7x7dbl_4(y)), self.branch_pool(average(x))), 1)


class MixedD(nn.Module):
    def __init__(self, c, w):
        super().__init__()
        k = 192 // w
        self.branch3x3_1, self.branch3x3_2 = Cell(c, k, 1), Cell(k, 320 // w, 3, 2)
        self.branch7x7x3_1, self.branch7x7x3_2 = Cell(c, k, 1), Cell(k, k, (1, 7), padding=(0, 3))
        self.branch7x7x3_3, self.branch7x7x3_4 = Cell(k, k, (7, 1), padding=(3, 0)), Cell(k, k, 3, 2)

    def forward(self, x):
        y = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat((self.branch3x3_2(self.branch3x3_1(x)), y, F.max_pool2d(x, kernel_size=3, stride=2)), 1)


class MixedE(nn.Module):
    def __init__(self, c, w):
        super().__init__()
        k, row, column = 384 // w, dict(size=(1, 3), padding=(0, 1)), dict(size=(3, 1), padding=(1, 0))
        self.branch1x1, self.branch3x3_1 = Cell(c, 320 // w, 1), Cell(c, k, 1)
        self.branch3x3_2a, self.branch3x3_2b = Cell(k, k, **row), Cell(k, k, **column)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Cell(c, 448 // w, 1), Cell(448 // w, k, 3, padding=1)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = Cell(k, k, **row), Cell(k, k, **column)
        self.branch_pool = Cell(c, 192 // w, 1)

    def forward(self, x):
        y, z = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return torch.cat((self.branch1x1(x), torch.cat((self.branch3x3_2a(y), self.branch3x3_2b(y)), 1),
                          torch.cat((self.branch3x3dbl_3a(z), self.branch3x3dbl_3b(z)), 1),
                          self.branch_pool(average(x))), 1)


class Inception3(nn.Module):
    def __init__(self, classes=1000, width=1, transform_input=True):
        super().__init__()
        w, self.transform_input = width, transform_input
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = Cell(3, 32 // w, 3, 2), Cell(32 // w, 32 // w, 3)
        self.Conv2d_2b_3x3 = Cell(32 // w, 64 // w, 3, padding=1)
        self.maxpool1, self.Conv2d_3b_1x1 = nn.MaxPool2d(3, 2), Cell(64 // w, 80 // w, 1)
        self.Conv2d_4a_3x3, self.maxpool2 = Cell(80 // w, 192 // w, 3), nn.MaxPool2d(3, 2)
        self.Mixed_5b, self.Mixed_5c = MixedA(192 // w, 32, w), MixedA(256 // w, 64, w)
        self.Mixed_5d, self.Mixed_6a = MixedA(288 // w, 64, w), MixedB(288 // w, w)
        for letter, m in zip("bcde", (128, 160, 160, 192)):
            setattr(self, "Mixed_6" + letter, MixedC(768 // w, m, w))
        self.Mixed_7a, self.Mixed_7b = MixedD(768 // w, w), MixedE(1280 // w, w)
        self.Mixed_7c = MixedE(2048 // w, w)
        self.avgpool, self.dropout, self.fc = nn.AdaptiveAvgPool2d(1), nn.Dropout(), nn.Linear(2048 // w, classes)

    def forward(self, x):
        if self.transform_input:
            a = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
            b = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
            c = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
            x = torch.cat((a, b, c), 1)
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, "Mixed_" + name)(x)
        return self.fc(torch.flatten(self.dropout(self.avgpool(x)), 1))


def inception_v3(classes=1000, width=1, transform_input=True):
    return Inception3(classes, width, transform_input)
