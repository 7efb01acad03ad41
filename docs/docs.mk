# The book and its generated pages: `make book`, `make reference`.

.PHONY: book reference

reference: setup
	$(CARGO) run --release --locked -p mmnas-tests --bin update-reference

# mdBook comes from the registry of crates, once.
MDBOOK := $(TARGET)/mdbook/bin/mdbook
$(MDBOOK):
	$(CARGO) install --quiet --locked --version 0.5.4 --root "$(TARGET)/mdbook" mdbook

# mdBook takes every link to a Markdown file for a page; those that leave the book keep their file, which lies beside it.
book: | $(MDBOOK)
	@"$(MDBOOK)" build docs
	@find target/book -name '*.html' -exec sed -E -i 's|href="((\.\./){2,}[^"]*)\.html|href="\1.md|g' {} +
	@echo "target/book/index.html"
