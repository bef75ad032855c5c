"""What pyproject.toml has no word for: the folder ``apps`` is installed as ``fraktal_apps``."""

from setuptools import find_namespace_packages, setup

setup(
    package_dir={
        "fraktal_apps": "apps",
        "fraktal_kernel": "fraktal_kernel",
        "fraktal_widgets": "widgets/fraktal_widgets",
    },
    packages=[
        "fraktal_apps",
        *find_namespace_packages(include=["fraktal_kernel*"]),
        *find_namespace_packages("widgets", include=["fraktal_widgets*"]),
    ],
)
