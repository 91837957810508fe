"""The tables and figures of the CSPNet paper, each printed figure beside what is found here."""
