"""JupyterLab and Voila for a workbench: quiet, and nothing leaves this computer.

How to use it: start JupyterLab with ``--config=deploy/jupyter/jupyter_server_config.py``
(``fraktal up`` does). That one argument is enough; everything else is found from here:

- ``settings/overrides.json`` holds the defaults of JupyterLab's own settings: no news, no look for
  updates, no listing of extensions, light or dark as the system has it. A user's choice in the
  settings editor still wins.
- ``voila/templates/fraktal`` is Voila's ``lab`` template without the fonts that it fetches from the
  internet. Notebooks open at ``/voila/render/<path>`` of this server.

Address, port, token and notebook folder are left to whoever starts the server.
"""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Voila looks for templates in Jupyter's data folders when it is loaded, which is after this file.
os.environ["JUPYTER_PATH"] = os.pathsep.join(
    filter(None, [str(HERE), os.environ.get("JUPYTER_PATH")])
)

c = get_config()  # noqa: F821

c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.app_settings_dir = str(HERE / "settings")

c.VoilaConfiguration.template = "fraktal"
c.VoilaConfiguration.theme = "light"
# An extension of Panel for JupyterLab that Voila's older core cannot load, and does not need.
c.VoilaConfiguration.extension_denylist = ["@pyviz/jupyterlab_pyviz"]


def _formulas_from_here(page_config, **_):
    """Let formulas be set by the MathJax that Voila carries, not by one from the internet."""
    return page_config | {"fullMathjaxUrl": "null", "mathjaxConfig": "null"}


c.VoilaConfiguration.page_config_hook = _formulas_from_here

# Panel's own pages inside Jupyter Server: not used here, and seconds to import at every start.
c.ServerApp.jpserver_extensions = {"panel.io.jupyter_server_extension": False}

# A picture for a fine screen is one message of up to 5 MB; the default limit, meant for cells that
# print without end, would drop it. How many messages a second may come stays limited.
c.ZMQChannelsWebsocketConnection.iopub_data_rate_limit = 100e6
