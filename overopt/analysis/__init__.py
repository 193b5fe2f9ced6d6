"""From the measured table to numbers: curves, averages, fitted laws, evidence, tables of figures."""
