"""A source with all of its mutants in it, each behind its number (mutant.h)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from clang.cindex import Config, Cursor, CursorKind as K, Index, TranslationUnit, TypeKind

Config.set_library_file("/usr/lib/llvm-19/lib/libclang-19.so.1")

COMPARISONS = {"<": ("Less", "<=", ">="), "<=": ("LessEqual", "<", ">"),
               ">": ("Greater", ">=", "<="), ">=": ("GreaterEqual", ">", "<"),
               "==": ("Equal", "!="), "!=": ("NotEqual", "==")}
SUMS = {"+": ("Plus", "-"), "-": ("Minus", "+")}
LOGICAL = {"&&": "||", "||": "&&"}
SWAPPED = {"Earliest": "Latest", "Latest": "Earliest", "std::min": "std::max",
           "std::max": "std::min"}
FUNCTIONS = (K.FUNCTION_DECL, K.CXX_METHOD, K.FUNCTION_TEMPLATE)
BLOCKS = (K.COMPOUND_STMT, K.IF_STMT, K.FOR_STMT, K.CXX_FOR_RANGE_STMT, K.WHILE_STMT)
IS_ASSIGNMENT = re.compile(r"[-+|&]?=")


@dataclass
class Mutant:
    """One change of one line."""

    number: int
    line: int
    text: str     # the line's, as it is
    change: str


@dataclass
class Edit:
    """An operator's mutants, and what is inserted for them.

    A part is (offset, rank, removed bytes, text). At one offset what closes comes first (rank > 0,
    the inner before the outer), then what opens (rank < 0, the outer before the inner)."""

    mutants: List[Mutant]
    parts: List[Tuple[int, int, int, str]] = field(default_factory=list)


class Source:
    """One file: finds its mutants, and writes it with them in."""

    def __init__(self, path: Path, arguments: List[str], first: int) -> None:
        self.path = path
        self.bytes = path.read_bytes()
        self.lines = self.bytes.decode().splitlines()
        self.next = first
        self.edits: List[Edit] = []
        unit = Index.create().parse(str(path), args=arguments,
                                    options=TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
        self.macros: List[Tuple[int, int, str]] = []
        for cursor in unit.cursor.get_children():
            if cursor.kind == K.MACRO_INSTANTIATION and self._is_here(cursor):
                begin, end = self._range(cursor)
                if self.bytes[end - 1:end] == b")":
                    self.macros.append((begin, end, cursor.spelling))
        for function in self._functions(unit.cursor):
            self.result = function.result_type
            for child in function.get_children():
                if child.kind == K.COMPOUND_STMT:
                    self._visit(child, function)

    # ---- where things are ----

    def _is_here(self, cursor: Cursor) -> bool:
        place = cursor.location.file
        return place is not None and place.name == str(self.path)

    @staticmethod
    def _range(cursor: Cursor) -> Tuple[int, int]:
        return cursor.extent.start.offset, cursor.extent.end.offset

    def _text(self, cursor: Cursor) -> str:
        begin, end = self._range(cursor)
        return self.bytes[begin:end].decode()

    def _is_of_macro(self, offset: int) -> bool:
        return any(begin <= offset < end for begin, end, _ in self.macros)

    def _functions(self, cursor: Cursor) -> Iterator[Cursor]:
        for child in cursor.get_children():
            if child.kind in (K.NAMESPACE, K.LINKAGE_SPEC, K.UNEXPOSED_DECL, K.STRUCT_DECL,
                              K.CLASS_DECL):
                if self._is_here(child):
                    yield from self._functions(child)
            elif child.kind in FUNCTIONS and child.is_definition() and self._is_here(child):
                if not re.search(r"\bconstexpr\b", self._text(child).partition("(")[0]):
                    yield child

    # ---- what is mutated ----

    def _add(self, at: Cursor, changes: List[str], *parts: Tuple[int, int, int, str]) -> None:
        """`parts` have # in place of the first mutant's number."""
        line = at.extent.start.line
        mutants = [Mutant(self.next + index, line, self.lines[line - 1].strip(), change)
                   for index, change in enumerate(changes)]
        number = str(self.next)
        self.next += len(changes)
        self.edits.append(Edit(mutants, [(offset, rank, size, text.replace("#", number))
                                         for offset, rank, size, text in parts]))

    def _around(self, at: Cursor, changes: List[str], before: str, after: str) -> None:
        begin, end = self._range(at)
        self._add(at, changes, (begin, -(end - begin), 0, before), (end, end - begin, 0, after))

    def _visit(self, cursor: Cursor, parent: Cursor) -> None:
        begin, end = self._range(cursor)
        kind = cursor.kind
        if kind in (K.STATIC_ASSERT, K.TYPE_REF, K.TEMPLATE_REF) or not self._is_here(cursor):
            return
        macro = next((item for item in self.macros if item[0] <= begin < item[1]), None)
        if macro is not None:
            if macro[2] == "TRY" and macro[0] == begin and parent.kind in BLOCKS:
                self._statement(cursor, (begin, macro[1]), "remove the TRY")
            return
        if kind == K.VAR_DECL and ("constexpr" in self._text(cursor) or
                                   cursor.type.kind == TypeKind.CONSTANTARRAY or
                                   "static const" in self._text(cursor)):
            return
        if kind == K.IF_STMT and self._text(cursor).startswith("if constexpr"):
            return
        children = list(cursor.get_children())
        if kind == K.CASE_STMT:
            children = children[1:]
        self._mutate(cursor, parent, children)
        for child in children:
            self._visit(child, cursor)

    def _mutate(self, cursor: Cursor, parent: Cursor, children: List[Cursor]) -> None:
        kind, text = cursor.kind, self._text(cursor)
        if kind in (K.BINARY_OPERATOR, K.CALL_EXPR, K.COMPOUND_ASSIGNMENT_OPERATOR):
            self._operator(cursor, parent, children)
        if kind == K.CALL_EXPR and text.partition("(")[0] in SWAPPED and "<" not in text[:10]:
            name = text.partition("(")[0]
            begin = self._range(cursor)[0]
            if not name.startswith("std"):
                self._add(cursor, [f"{name} to {SWAPPED[name]}"],
                          (begin, 1 << 20, len(name), f"(mutant::M(#) ? {SWAPPED[name]} : {name})"))
        if (self._is_statement(cursor, parent) and kind != K.DECL_STMT and
                (kind in (K.CALL_EXPR, K.UNARY_OPERATOR) or text.startswith("static_cast<void>("))):
            self._statement(cursor, self._range(cursor), "remove the statement")
        if kind in (K.IF_STMT, K.CONDITIONAL_OPERATOR):
            condition = next((child for child in children if child.kind.is_expression() or
                              child.kind == K.UNEXPOSED_EXPR), None)
            declared = any(child.kind in (K.VAR_DECL,) for child in children)
            if condition is not None and not declared:
                self._negate(condition)
        if kind == K.RETURN_STMT:
            self._return(cursor, parent, children)
        if kind == K.VAR_DECL and children and "const " not in text and re.search(r" = ", text):
            self._constant(children[-1])

    def _is_statement(self, cursor: Cursor, parent: Cursor) -> bool:
        begin, end = self._range(cursor)
        before = self.bytes[:begin].rstrip()
        if self.bytes[end:].lstrip()[:1] != b";" or parent.kind not in BLOCKS:
            return False
        if parent.kind != K.COMPOUND_STMT:  # what it does, not what it asks
            return before.endswith((b")", b"else"))
        return (before.endswith((b";", b"{", b"}", b":")) or
                before.rpartition(b"\n")[2].strip().startswith(b"//"))

    def _statement(self, at: Cursor, place: Tuple[int, int], change: str) -> None:
        begin, end = place
        close = self.bytes.index(b";", end) + 1
        self._add(at, [change], (begin, -(1 << 20), 0, "{ if (!mutant::M(#)) "),
                  (close, 1 << 20, 0, " }"))

    def _operator(self, cursor: Cursor, parent: Cursor, children: List[Cursor]) -> None:
        if len(children) < 2:
            return
        if cursor.kind == K.CALL_EXPR and not cursor.spelling.startswith("operator"):
            return
        left, right = children[0], children[-1]
        at, until = self._range(left)[1], self._range(right)[0]
        operator = self.bytes[at:until].decode()
        word = operator.strip()
        lines = "\n" * operator.count("\n")  # so that errors tell of the same lines
        begin, end = self._range(cursor)
        size = end - begin
        if self._is_of_macro(self._range(right)[0]) or until < at:
            return
        if word in COMPARISONS:
            name, *changes = COMPARISONS[word]
        elif word in SUMS and cursor.type.kind != TypeKind.POINTER:
            name, *changes = SUMS[word]
        elif word in LOGICAL:
            # a || b is !(!a && !b): with the mutant alive each part and the whole are turned round.
            mark = "mutant::M(#) != "
            self._add(cursor, [f"{word} to {LOGICAL[word]}"],
                      (begin, -size, 0, f"({mark}(({mark}static_cast<bool>("),
                      (at, 1 << 19, len(operator.encode()),
                       f")) {word} {lines}({mark}static_cast<bool>("),
                      (end, size, 0, "))))"))
            self._negate(left)
            self._negate(right)
            return
        elif IS_ASSIGNMENT.fullmatch(word) and self._is_statement(cursor, parent):
            if not self._constant(right):
                self._statement(cursor, (begin, end), "remove the assignment")
            return
        else:
            return
        self._add(cursor, [f"{word} to {change}" for change in changes],
                  (begin, -size, 0, f"mutant::{name}(#, "),
                  (at, 1 << 19, len(operator.encode()), f", {lines}"),
                  (end, size, 0, ")"))

    def _negate(self, condition: Cursor) -> None:
        while condition.kind in (K.UNEXPOSED_EXPR, K.PAREN_EXPR):
            inner = list(condition.get_children())
            if len(inner) != 1 or condition.kind == K.PAREN_EXPR:
                break
            condition = inner[0]
        children = list(condition.get_children())
        if self._is_of_macro(self._range(condition)[0]):
            return
        if len(children) >= 2 and condition.kind in (K.BINARY_OPERATOR, K.CALL_EXPR):
            between = self.bytes[self._range(children[0])[1]:self._range(children[-1])[0]].decode()
            if between.strip() in COMPARISONS or between.strip() in LOGICAL:
                return  # they have mutants of their own
        if condition.kind == K.PAREN_EXPR:
            return
        self._around(condition, ["the opposite"], "(mutant::M(#) != static_cast<bool>(", "))")

    def _constant(self, value: Cursor) -> bool:
        text = self._text(value)
        if text in ("true", "false"):
            self._around(value, [f"{text} to the other"], "(mutant::M(#) != ", ")")
        elif re.fullmatch(r"\d+", text):
            self._around(value, [f"{text} to {int(text) + 1}"], "(mutant::M(#) ? 1 + ",
                         f" : {text})")
        else:
            return False
        return True

    def _return(self, cursor: Cursor, parent: Cursor, children: List[Cursor]) -> None:
        text = self._text(cursor)
        is_early = parent.kind == K.IF_STMT or text == "return"
        if not children:
            if parent.kind in BLOCKS:
                self._statement(cursor, self._range(cursor), "don't return")
            return
        value = children[0]
        if self._is_of_macro(self._range(value)[0]):
            return
        result = self.result.spelling
        body = self._text(value)
        if is_early:
            self._statement(cursor, self._range(cursor), "don't return")
        if result == "bool":
            self._around(value, ["return the opposite"],
                         "(mutant::M(#) != static_cast<bool>(", "))")
        elif result == "Status":
            is_good = body in ("kOk", "{}")
            other = f"::miagent::Status{{::miagent::Fault::{'kSystem' if is_good else 'kNone'}, 0}}"
            self._around(value, ["return an error" if is_good else "return kOk"],
                         f"mutant::M(#) ? {other} : ::miagent::Status",
                         "" if body.startswith("{") else ")")
            if not body.startswith("{"):
                offset, rank, size, inserted = self.edits[-1].parts[0]
                self.edits[-1].parts[0] = (offset, rank, size, inserted + "(")
        elif result == "const char *":
            other = '"mutant"' if body == "nullptr" else "nullptr"
            self._around(value, [f"return {other}"], f"(mutant::M(#) ? {other} : ", ")")
        elif re.fullmatch(r"u?int\d+_t|size_t|int", result):
            self._around(value, ["return one more"], "((", ") + mutant::M(#))")

    # ---- what comes out ----

    def written(self) -> str:
        parts = sorted(part for edit in self.edits for part in edit.parts)
        text = bytearray()
        cursor = 0
        # At one place: what closes (the inner first) stands before what opens (the outer first).
        groups: Dict[int, List[Tuple[int, int, int, str]]] = {}
        for part in parts:
            groups.setdefault(part[0], []).append(part)
        for offset in sorted(groups):
            here = groups[offset]
            closing = sorted((part for part in here if 0 <= part[1] < 1 << 19 or
                              (part[1] == 1 << 20 and part[2] == 0)), key=lambda part: part[1])
            opening = sorted((part for part in here if part[1] < 0), key=lambda part: part[1])
            instead = [part for part in here if part not in closing and part not in opening]
            text += self.bytes[cursor:offset]
            cursor = offset
            for part in [*closing, *opening, *instead]:
                text += part[3].encode()
                cursor = max(cursor, offset + part[2])
        return (text + self.bytes[cursor:]).decode()

    def drop(self, lines: List[int]) -> int:
        """Leaves out what touches these lines; how many mutants that were."""
        kept, dropped = [], 0
        for edit in self.edits:
            touched = {self.bytes[:part[0]].count(b"\n") + 1 for part in edit.parts}
            if touched & set(lines):
                dropped += len(edit.mutants)
            else:
                kept.append(edit)
        self.edits = kept
        return dropped
