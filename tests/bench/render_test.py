"""The benchmark's own arithmetic and drawing."""

from __future__ import annotations

import sys
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import figures
import render

SVG = "{http://www.w3.org/2000/svg}"


class Figures(unittest.TestCase):
    def test_median_is_the_middle_whatever_the_order(self) -> None:
        self.assertEqual(figures.median([9, 1, 5]), 5)
        self.assertEqual(figures.median([4, 1, 3, 1000]), 3.5)
        self.assertEqual(figures.median([7]), 7)

    def test_median_of_nothing_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            figures.median([])

    def test_quartiles_are_the_medians_of_the_halves(self) -> None:
        self.assertEqual(figures.quartiles([1, 2, 3, 4, 5, 6, 7]), (2, 6))
        self.assertEqual(figures.quartiles([1, 2, 3, 4]), (1.5, 3.5))
        self.assertEqual(figures.quartiles([8]), (8, 8))

    def test_ratio_to_an_unknown_or_empty_floor_is_unknown(self) -> None:
        self.assertEqual(figures.ratio(3.0, 2.0), 1.5)
        self.assertIsNone(figures.ratio(None, 2.0))
        self.assertIsNone(figures.ratio(3.0, None))
        self.assertIsNone(figures.ratio(3.0, 0))

    def test_numbers_have_three_significant_digits(self) -> None:
        expected = {0.2039: "0.204", 1.0: "1", 1.234: "1.23", 12.34: "12.3", 123.4: "123",
                    4477: "4,477", 1234567.8: "1,234,568", 0: "0", 0.0123: "0.012", 9.999: "10.00"}
        for value, text in expected.items():
            self.assertEqual(figures.number(value), text)
        self.assertEqual(figures.number(None), "–")

    def test_counts_sizes_and_ratios(self) -> None:
        self.assertEqual([figures.count(each) for each in (12, 4477, 188e6, 1.7e9)],
                         ["12", "4.48 k", "188 M", "1.70 G"])
        self.assertEqual([figures.size(each) for each in (12, 6528, 104 << 20)],
                         ["12 B", "6.38 KiB", "104 MiB"])
        self.assertEqual([figures.times(each) for each in (1, 1.234, 12.34, 2000, None)],
                         ["1.00 ×", "1.23 ×", "12.3 ×", "2,000 ×", "–"])


class Curves(unittest.TestCase):
    def drawn(self, is_logarithmic: bool) -> ElementTree.Element:
        return ElementTree.fromstring(render.curves(
            "A & B", "seconds", "requests", [
                render.Curve("one", [(0, 0), (30, 100), (60, 1000)], "#000000"),
                render.Curve("two", [(0, 10), (60, 10)], "#ff0000")],
            is_logarithmic=is_logarithmic))

    def test_points_lie_where_the_scales_have_them(self) -> None:
        for is_logarithmic, share in ((False, 0.1), (True, 2 / 3)):
            drawing = self.drawn(is_logarithmic)
            line = drawing.findall(f"{SVG}polyline")[0].attrib["points"].split()
            (x0, y0), (x1, y1), (x2, y2) = [tuple(map(float, point.split(","))) for point in line]
            self.assertAlmostEqual(x1, (x0 + x2) / 2, delta=0.1)
            self.assertAlmostEqual((y0 - y1) / (y0 - y2), share, delta=0.01)

    def test_each_curve_has_its_label_in_its_colour(self) -> None:
        texts = {text.text: text.attrib.get("fill") for text in self.drawn(True).iter(f"{SVG}text")}
        self.assertEqual((texts["one"], texts["two"]), ("#000000", "#ff0000"))
        self.assertIn("A & B", texts)


class Table(unittest.TestCase):
    def test_columns_line_up_and_numbers_stand_right(self) -> None:
        text = render.table(["what", "ms"], [["a", "1.00"], ["longer", "12"]])
        self.assertEqual(text, "| what   |   ms |\n| ------ | ---: |\n"
                               "| a      | 1.00 |\n| longer |   12 |\n")

    def test_a_bar_in_a_cell_ends_no_cell(self) -> None:
        self.assertIn("a\\|b", render.table(["x"], [["a|b"]]))

    def test_a_row_of_another_size_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            render.table(["a", "b"], [["1"]])


class Chart(unittest.TestCase):
    @staticmethod
    def widths(bars: "list[render.Bar]") -> "list[float]":
        root = ElementTree.fromstring(render.chart("a < b", bars))
        return [float(each.get("width", "")) for each in root.iter(f"{SVG}rect")][1:]

    def test_each_decade_is_as_wide_as_the_next(self) -> None:
        first, second, third = self.widths([render.Bar("a", 1, "1", "floor"),
                                            render.Bar("b & c", 10, "10", "own"),
                                            render.Bar("d", 100, "100", "peer")])
        self.assertAlmostEqual(second - first, third - second, delta=0.2)
        self.assertGreater(first, 0)
        self.assertEqual(third, render.PLOT_WIDTH)

    def test_nothing_at_all_is_a_bar_of_no_width(self) -> None:
        self.assertEqual(self.widths([render.Bar("a", 0, "0", "own"),
                                      render.Bar("b", 5, "5", "peer")])[0], 0)
        self.assertEqual(self.widths([render.Bar("a", 0, "0", "own")]), [0])


class Insert(unittest.TestCase):
    def test_only_what_stands_between_the_marks_is_replaced(self) -> None:
        text = f"before\n{render.BEGIN}\nold\n{render.END}\nafter\n"
        new = render.insert(text, "new\n")
        self.assertEqual(new, f"before\n{render.BEGIN}\nnew\n{render.END}\nafter\n")
        self.assertEqual(render.insert(new, "new\n"), new)

    def test_a_text_without_marks_is_refused(self) -> None:
        for text in ("", render.BEGIN, render.END + render.END + render.BEGIN):
            with self.assertRaises(ValueError):
                render.insert(text, "new")

    def test_lines_are_cut_between_words(self) -> None:
        self.assertEqual(render.wrap("aa bb  cc\ndd", 5), ["aa bb", "cc dd"])
        self.assertEqual(render.wrap("longerthan it", 5), ["longerthan", "it"])


if __name__ == "__main__":
    unittest.main()
