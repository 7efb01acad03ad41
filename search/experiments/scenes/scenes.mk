# Generated scenes: the bundles of the repository, runtime/bundles/{vqa,itm,vgd}, searched and trained on them alone so that they may be passed
# on, and the search beside its baselines. `make bundles` makes the bundles anew, in half an hour a task on one core; a run that was ended goes on
# where it was.

SCENES := $(TARGET)/scenes
SCENE_RECORDS := search/experiments/scenes/records
# 8,000 scenes to train on and 500 to test with; connected pieces as regions, with the first four levels of the backbone and the pieces'
# boxes as features: all three tasks ask for places. One stage serves all.
SCENES_VISION := --side 224 --grid 1 --segments --proposals 8 --levels 2,4,8,16 --boxes
SCENES_EVALUATE_itm := --shortlist 50
SCENE_RUN = --task $* --recipe search/experiments/scenes/scenes_$*.toml --samples $(SCENES)/data/train.$*.jsonl \
--features $(SCENES)/features --resume

.PHONY: bundles bundle-vqa bundle-itm bundle-vgd compare-scenes latency-scenes time-scenes front-scenes
.PRECIOUS: $(SCENES)/%/search.done $(SCENES)/%/retrain.done

$(SCENES)/data/objects.jsonl: | build
	@mkdir -p $(SCENES)
	@$(SEARCH) scenes --images 8000 --test 500 --out $(SCENES)/data

$(SCENES)/vision/vision.json: | build
	@mkdir -p $(SCENES)
	@$(SEARCH) vision --weights .native/efficientnet/efficientnet_lite0.pth $(SCENES_VISION) --out $(SCENES)/vision

$(SCENES)/features/features.json: | $(SCENES)/vision/vision.json $(SCENES)/data/objects.jsonl
	@$(MMNAS) extract --vision $(SCENES)/vision --images $(SCENES)/data/images --out $(SCENES)/features

$(SCENES)/%/search.done: | $(SCENES)/features/features.json
	@mkdir -p $(SCENES)/$*
	@$(SEARCH) search $(SCENE_RUN) --out $(SCENES)/$*/search && touch $@

$(SCENES)/%/retrain.done: | $(SCENES)/%/search.done
	@$(SEARCH) retrain $(SCENE_RUN) --architecture $(SCENES)/$*/search/architecture.json --out $(SCENES)/$*/retrain && touch $@

# In blocks, because features of boxes and of maps differ so much in size that one scale for all of them loses the boxes.
bundle-vqa bundle-itm bundle-vgd: bundle-%: | $(SCENES)/%/retrain.done
	@rm -rf $(SCENES)/$*/bundle
	@$(SEARCH) export $(SCENES)/$*/retrain --vision $(SCENES)/vision --variants ort-int8 --int8 per-block --out $(SCENES)/$*/bundle \
	--licence "MIT OR Apache-2.0; the backbone is EfficientNet-Lite0, Apache-2.0"
	@$(MMNAS) verify $(SCENES)/$*/bundle
	@$(MMNAS) evaluate $(SCENES)/$*/bundle --samples $(SCENES)/data/test.$*.jsonl --images $(SCENES)/data/images $(SCENES_EVALUATE_$*)
	@mkdir -p runtime/bundles && rm -rf runtime/bundles/$* && cp -r $(SCENES)/$*/bundle runtime/bundles/$*

bundles: bundle-vqa bundle-itm bundle-vgd

# The search beside its baselines where data is plenty and the image counts, as photos.mk compares them on photographs.
compare-scenes: | $(SCENES)/features/features.json
	@$(SEARCH) compare --task vqa --recipe search/experiments/scenes/scenes_compare.toml --samples $(SCENES)/data/train.vqa.jsonl \
	--features $(SCENES)/features --seeds 3 --parameters 830000 --contenders gradient,random-architecture,mcan:1 \
	--out $(SCENES)/compare --record $(SCENE_RECORDS)/scenes.json

# At equal time, as photos.mk compares on photographs: the committed tables, or those of your device by SCENE_LATENCY=DIR.
SCENE_LATENCY := search/experiments/scenes/latency
SCENE_WIDTHS := 64 128
latency-scenes: | $(SCENES)/vision/vision.json
	@mkdir -p $(SCENE_LATENCY)
	@for h in $(SCENE_WIDTHS); do rm -rf $(SCENES)/probes-$$h; $(SEARCH) probes --recipe search/experiments/scenes/scenes_device.toml --set retrain.hidden=$$h \
	--feature 197 --answers 30 --regions 6 --tokens 9 --checks 8 --out $(SCENES)/probes-$$h \
	&& $(MMNAS) profile $(SCENES)/probes-$$h --threads 1 --rounds 600  --out $(SCENE_LATENCY)/scenes-$$h.json || exit; done

# Six tenths of what MCAN takes at H 128, by these tables.
SCENES_AT_MOST := 0.240
time-scenes: | $(SCENES)/features/features.json
	@$(SEARCH) compare --task vqa --recipe search/experiments/scenes/scenes_device.toml --samples $(SCENES)/data/train.vqa.jsonl \
	--features $(SCENES)/features --seeds 3 --of all --at-most $(SCENES_AT_MOST) $(foreach h,$(SCENE_WIDTHS),--latency $(SCENE_LATENCY)/scenes-$(h).json) \
	--contenders mcan:1,mcan-in-time,gradient,evolution,random-architecture,best-of-random:3 --out $(SCENES)/time --record $(SCENE_RECORDS)/time.json

# The front of one search: accuracy with shared weights against the times of a table. Networks of it, trained alone, beside MCAN.
FRONT := search/experiments/scenes/front
front-scenes: | $(SCENES)/features/features.json
	@mkdir -p $(FRONT)
	@$(SEARCH) search --task vqa --recipe search/experiments/scenes/scenes_device.toml --set search.weights.epochs=20 \
	--samples $(SCENES)/data/train.vqa.jsonl --features $(SCENES)/features --resume --out $(SCENES)/front-search
	@[ -e $(FRONT)/front.json ] || $(SEARCH) pareto $(SCENES)/front-search --samples $(SCENES)/data/train.vqa.jsonl \
	--features $(SCENES)/features --latency $(SCENE_LATENCY)/scenes-128.json --of all --population 24 --generations 10 --random 24 \
	--samples-compared 1000 --baselines found=$(SCENES)/front-search/architecture.json --out $(FRONT)/front.json --picture $(FRONT)/front.svg
	@$(SEARCH) compare --task vqa --recipe search/experiments/scenes/scenes_device.toml --samples $(SCENES)/data/train.vqa.jsonl \
	--features $(SCENES)/features --seeds 1 --contenders fast=$(FRONT)/front.json:6,mid=$(FRONT)/front.json:9,best=$(FRONT)/front.json:12,mcan:1 \
	--out $(SCENES)/front --record $(SCENE_RECORDS)/front.json
