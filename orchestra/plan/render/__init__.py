"""Plans as pictures: SVG, Mermaid and DOT."""
