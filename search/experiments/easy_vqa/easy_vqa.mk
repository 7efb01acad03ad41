# `make demo-search`: search, retrain, export and evaluate on easy-VQA, minutes on two cores.

DEMO_SEARCH := $(TARGET)/demo-search
EASY := .native/easy_vqa
RECIPE := search/experiments/easy_vqa/easy_vqa.toml
RUN := --recipe $(DEMO_SEARCH)/recipe.toml --samples $(DEMO_SEARCH)/data/train.jsonl --features $(DEMO_SEARCH)/features --resume

.PHONY: demo-search same-recipe

# The stages of the demo of a search. Each leaves its result behind, so a demo that was interrupted goes on where it was; the
# prerequisites are order-only, because what is there is whole and not to be made again for a file's time.
$(DEMO_SEARCH)/recipe.toml: | build
	@mkdir -p "$(DEMO_SEARCH)" && cp $(RECIPE) $@

$(DEMO_SEARCH)/data/test.jsonl: | build
	@$(SEARCH) convert easy-vqa $(EASY) --out $(DEMO_SEARCH)/data

$(DEMO_SEARCH)/vision/vision.json: | build
	@$(SEARCH) vision --weights .native/efficientnet/efficientnet_lite0.pth --out $(DEMO_SEARCH)/vision

$(DEMO_SEARCH)/features/features.json: | $(DEMO_SEARCH)/vision/vision.json
	@$(MMNAS) extract --vision $(DEMO_SEARCH)/vision --images $(EASY)/train/images --out $(DEMO_SEARCH)/features

$(DEMO_SEARCH)/search/done: | $(DEMO_SEARCH)/recipe.toml $(DEMO_SEARCH)/data/test.jsonl $(DEMO_SEARCH)/features/features.json
	@$(SEARCH) search $(RUN) --out $(DEMO_SEARCH)/search
	@touch $@

$(DEMO_SEARCH)/retrain/done: | $(DEMO_SEARCH)/search/done
	@$(SEARCH) retrain $(RUN) --architecture $(DEMO_SEARCH)/search/architecture.json --out $(DEMO_SEARCH)/retrain
	@touch $@

$(DEMO_SEARCH)/bundle/manifest.json: | $(DEMO_SEARCH)/retrain/done
	@$(SEARCH) export $(DEMO_SEARCH)/retrain --vision $(DEMO_SEARCH)/vision --out $(DEMO_SEARCH)/bundle

demo-search: same-recipe build $(DEMO_SEARCH)/bundle/manifest.json
	@$(MMNAS) verify $(DEMO_SEARCH)/bundle
	@echo; echo "$(EASY)/test/images/0.png: what color is the shape?"
	@$(MMNAS) answer $(DEMO_SEARCH)/bundle $(EASY)/test/images/0.png "what color is the shape?"
	@echo
	@$(MMNAS) evaluate $(DEMO_SEARCH)/bundle --samples $(DEMO_SEARCH)/data/test.jsonl --images $(EASY)/test/images
	@echo
	@$(MMNAS) evaluate $(DEMO_SEARCH)/bundle --samples $(DEMO_SEARCH)/data/test.jsonl --images $(EASY)/test/images --variant ort-int8
	@echo; $(SEARCH) report $(DEMO_SEARCH)/search --images $(EASY)/train/images
	@echo "try: $(MMNAS) answer $(DEMO_SEARCH)/bundle $(EASY)/test/images/1.png \"is there a circle?\" \"what shape is in the image?\""

same-recipe:
	@[ ! -e $(DEMO_SEARCH)/recipe.toml ] || cmp -s $(RECIPE) $(DEMO_SEARCH)/recipe.toml \
	|| { echo "demo-search: $(DEMO_SEARCH) was made with another $(RECIPE); 'make clean-demo' forgets it" >&2; exit 1; }
