"""Looking at run trees: as data on disk, as a page, and in the terminal while they run.

`trace` reads run trees and nothing below reads it: engines and threads tell observers what happens and never import this package.
"""
