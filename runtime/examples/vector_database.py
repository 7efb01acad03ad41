"""Embeddings of an index in a vector database: the way past one machine.

    mmnas index export bundle photos.index --out images.parquet
    mmnas index export bundle captions.index --out texts.parquet
    python vector_database.py images.parquet texts.parquet database

Puts the images' embeddings into a LanceDB table (Qdrant and pgvector take the same rows) and asks it for the nearest five
of every text. Prints one line of JSON a text: {"key": …, "nearest": [[key, cosine], …]}. The keys that come back are what
`mmnas` re-ranks with the network.
"""

import json
import sys

import lancedb
import pyarrow.parquet

images, texts, folder = sys.argv[1:]
rows = pyarrow.parquet.read_table(images)
width = len(rows["embedding"][0])
# A database wants lists of one length.
rows = rows.set_column(1, "embedding", rows["embedding"].cast(pyarrow.list_(pyarrow.float32(), width)))
table = lancedb.connect(folder).create_table("images", rows)
for text in pyarrow.parquet.read_table(texts).to_pylist():
    found = table.search(text["embedding"], vector_column_name="embedding").distance_type("dot").limit(5).to_list()
    nearest = [[row["key"], 1 - row["_distance"]] for row in found]
    print(json.dumps({"key": text["key"], "nearest": nearest}))
