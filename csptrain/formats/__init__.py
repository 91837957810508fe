"""Files a network is kept in or shipped as."""
