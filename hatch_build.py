"""What of the package depends on where it is built: its addresses, and the native engine."""

import os
import re
import runpy
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:|#)(?P<path>[^)\s]+)\)")


def find_home(environment: Mapping[str, str]) -> str | None:
    """Return the address of the repository that builds the package, or None.

    A workflow knows the address of its repository, so a copy that a fork publishes names the fork.
    A package that is built elsewhere names no address.

    Args:
        environment: The variables of the process, as GitHub sets them for each step of a workflow.
    """
    server, name = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else None


def project_urls(home: str) -> dict[str, str]:
    """Return the addresses to be shown with the package."""
    return {
        "Homepage": home,
        "Documentation": f"{home}/tree/HEAD/docs",
        "Changelog": f"{home}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{home}/issues",
        "Source": home,
    }


def make_links_absolute(text: str, home: str) -> str:
    """Return Markdown whose links and pictures work outside the repository, too."""

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if link["image"] else "blob"
        return f"{link['image']}[{link['text']}]({home}/{kind}/HEAD/{link['path']})"

    return LINK.sub(absolute, text)


class RepositoryMetadata(MetadataHookInterface):
    """Sets `project.urls` and `project.readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both fields, without addresses if the repository is not known."""
        text = Path(self.root, "README.md").read_text("utf-8")
        home = find_home(os.environ)
        if home:
            text = make_links_absolute(text, home)
        metadata["urls"] = project_urls(home) if home else {}
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class NativeEngine(BuildHookInterface):
    """Builds the native engine into the wheel, if there is a C++ compiler.

    Without one the wheel is pure Python, and so it is with RNNLAYERS_NATIVE=0.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the engine, and let the name of the wheel say for which platform it is."""
        native = runpy.run_path(str(Path(self.root, "rnnlayers/engines/native/build.py")))
        reason = native["build"]()
        if reason is not None:
            self.app.display_info(f"The native engine is not built: {reason}.")
            return
        build_data["artifacts"].append(native["BINARY"].relative_to(self.root).as_posix())
        build_data["pure_python"] = False
        # It needs no particular Python and no particular TensorFlow.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
