"""Writes the font of the pictures: subset.py "NotoSans[wdth,wght].ttf" OUT

Keeps one weight and the letters of European alphabets, without hints. Kerning moves from the table GPOS to the older
table kern, which the runtime reads without a shaping library.
"""

import sys

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.tables._k_e_r_n import KernTable_format_0
from fontTools.varLib.instancer import instantiateVariableFont

# Heavier than regular: the runtime draws without hints, which leaves thin strokes grey.
AXES = {"wght": 450, "wdth": 100}
# Latin (Vietnamese and Romanian too), marks, Greek, Cyrillic, punctuation, signs.
LETTERS = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x218, 0x21B), (0x2C6, 0x2DD), (0x300, 0x304), (0x306, 0x30C), (0x323, 0x323),
    (0x326, 0x328), (0x37E, 0x37E), (0x384, 0x3CE), (0x400, 0x45F), (0x490, 0x491), (0x1E80, 0x1E85), (0x1E9E, 0x1E9E),
    (0x1EA0, 0x1EF9), (0x2010, 0x2027), (0x2030, 0x2030), (0x2032, 0x2033), (0x2039, 0x203A), (0x20AC, 0x20AC),
    (0x2122, 0x2122), (0x2212, 0x2212),
]
# Pairs of these letters are kerned, by at least so many thousandths of an em.
KERNED = [(0x20, 0x7E), (0xC0, 0xFF), (0x391, 0x3C9), (0x410, 0x44F)]
LEAST = 20
# Copyright, family, style, version, licence and its address.
NAMES = [0, 1, 2, 5, 13, 14]


def within(ranges):
    return {code for first, last in ranges for code in range(first, last + 1)}


def of_lookup(lookup, glyphs):
    """What a lookup adds to the advance of a pair's first glyph; the first subtable that names the pair counts."""
    found = {}
    for table in lookup.SubTable:
        table = getattr(table, "ExtSubTable", table)
        if table.LookupType != 2:
            continue
        for number, left in enumerate(table.Coverage.glyphs):
            if table.Format == 1:
                pairs = [(record.SecondGlyph, record.Value1) for record in table.PairSet[number].PairValueRecord]
            else:
                row = table.Class1Record[table.ClassDef1.classDefs.get(left, 0)].Class2Record
                pairs = [(right, row[table.ClassDef2.classDefs.get(right, 0)].Value1) for right in glyphs]
            for right, value in pairs:
                found.setdefault((left, right), getattr(value, "XAdvance", 0))
    return found


def kerning(font, glyphs):
    gpos, total = font["GPOS"].table, {}
    features = [record.Feature for record in gpos.FeatureList.FeatureRecord if record.FeatureTag == "kern"]
    for number in sorted({number for feature in features for number in feature.LookupListIndex}):
        for pair, value in of_lookup(gpos.LookupList.Lookup[number], glyphs).items():
            total[pair] = total.get(pair, 0) + value
    return {pair: value for pair, value in total.items() if glyphs.issuperset(pair) and abs(value) >= LEAST}


def main():
    source, out = sys.argv[1:]
    font = instantiateVariableFont(TTFont(source, recalcTimestamp=False), AXES)
    unused = ["GSUB", "GDEF", "DSIG", "STAT", "MVAR", "gasp", "OS/2", "prep"]
    options = Options(hinting=False, layout_features=["kern"], glyph_names=False, notdef_outline=True, name_IDs=NAMES)
    options.drop_tables += unused
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=within(LETTERS))
    subsetter.subset(font)
    letters = font.getBestCmap()
    table = KernTable_format_0()
    table.coverage, table.apple = 1, False
    table.kernTable = kerning(font, {letters[code] for code in within(KERNED) if code in letters})
    del font["GPOS"]
    font["kern"] = newTable("kern")
    font["kern"].version, font["kern"].kernTables = 0, [table]
    font.save(out)
    print(f"{out}: {len(letters)} letters, {len(table.kernTable)} kerned pairs")


if __name__ == "__main__":
    main()
