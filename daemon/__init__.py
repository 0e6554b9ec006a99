"""The shell of copierd: trio, sockets, files and clocks. It does what the charts decide and decides nothing itself."""

__version__ = "0.1.0"
