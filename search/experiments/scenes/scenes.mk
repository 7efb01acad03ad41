# Generated scenes: the bundles of the repository, runtime/bundles/{vqa,itm,vgd}, searched and trained on them alone so that they may be passed
# on, and the search beside its baselines. `make bundles` makes the bundles anew, in half an hour a task on one core; a run that was ended goes on
# where it was.

SCENES := $(TARGET)/scenes
SCENE_RECORDS := search/experiments/scenes/records
# 8,000 scenes to train on and 500 to test with; connected pieces as regions, with the first four levels of the backbone and the pieces'
# boxes as features: all three tasks ask for places. One stage serves all.
SCENES_VISION := --side 224 --grid 1 --segments --proposals 8 --levels 2,4,8,16 --boxes
SCENES_EVALUATE_itm := --shortlist 50
SCENE_RUN = --task $* --recipe search/experiments/scenes/bundle_$*.toml --samples $(SCENES)/data/train.$*.jsonl \
--features $(SCENES)/features --resume
# The bundles keep a limit of time by these tables, wherever they are made; `make latency-bundles` measures them.
BUNDLE_LATENCY_vqa := search/experiments/scenes/latency/scenes-64.json
BUNDLE_LATENCY_itm := search/experiments/scenes/latency/scenes-itm-64.json
BUNDLE_LATENCY_vgd := search/experiments/scenes/latency/scenes-vgd-64.json

.PHONY: bundles bundle-vqa bundle-itm bundle-vgd latency-bundles compare-scenes latency-scenes time-scenes measured-scenes ranking-scenes front-scenes
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
	@$(SEARCH) search $(SCENE_RUN) --latency $(BUNDLE_LATENCY_$*) --out $(SCENES)/$*/search && touch $@

$(SCENES)/%/retrain.done: | $(SCENES)/%/search.done
	@$(SEARCH) retrain $(SCENE_RUN) --finals $(SCENES)/$*/search/finals.json --out $(SCENES)/$*/retrain && touch $@

# In 32 bits: a network as narrow as these is slower in 8.
bundle-vqa bundle-itm bundle-vgd: bundle-%: | $(SCENES)/%/retrain.done
	@rm -rf $(SCENES)/$*/bundle
	@$(SEARCH) export $(SCENES)/$*/retrain --vision $(SCENES)/vision --variants ort-fp32 --out $(SCENES)/$*/bundle \
	--licence "MIT OR Apache-2.0; the backbone is EfficientNet-Lite0, Apache-2.0"
	@$(MMNAS) verify $(SCENES)/$*/bundle
	@$(MMNAS) evaluate $(SCENES)/$*/bundle --samples $(SCENES)/data/test.$*.jsonl --images $(SCENES)/data/images $(SCENES_EVALUATE_$*)
	@mkdir -p runtime/bundles && rm -rf runtime/bundles/$* && cp -r $(SCENES)/$*/bundle runtime/bundles/$*

bundles: bundle-vqa bundle-itm bundle-vgd

# Captions have 16 words on average, phrases 5.
TOKENS_itm := 16
TOKENS_vgd := 5
latency-bundles: | build
	@mkdir -p $(SCENES)
	@for task in itm:$(TOKENS_itm) vgd:$(TOKENS_vgd); do at=$(SCENES)/probes-$${task%:*}; rm -rf $$at; \
	$(SEARCH) probes --task $${task%:*} --recipe search/experiments/scenes/bundle_$${task%:*}.toml --feature 197 --regions 6 --tokens $${task#*:} \
	--checks 8 --out $$at && $(MMNAS) profile $$at --threads 1 --rounds 300 --out search/experiments/scenes/latency/scenes-$${task%:*}-64.json || exit; done

# The search beside its baselines where data is plenty and the image counts, as photos.mk compares them on photographs.
compare-scenes: | $(SCENES)/features/features.json
	@$(SEARCH) compare --task vqa --recipe search/experiments/scenes/scenes_compare.toml --samples $(SCENES)/data/train.vqa.jsonl \
	--features $(SCENES)/features --seeds 3 --parameters 830000 --contenders gradient,random-architecture,mcan:1 \
	--out $(SCENES)/compare --record $(SCENE_RECORDS)/scenes.json

# At equal time, as photos.mk compares on photographs: the committed tables, or those of your device by SCENE_LATENCY=DIR SCENES_AT_MOST=MS
# RANKED_AT_MOST=MS, with records in DIR/records.
SCENE_LATENCY := search/experiments/scenes/latency
SCENE_WIDTHS := 64 128
SCENE_PROBES = $(SEARCH) probes --recipe search/experiments/scenes/scenes_device.toml --feature 197 --answers 30 --regions 6 --tokens 9
latency-scenes: | $(SCENES)/vision/vision.json
	@mkdir -p $(SCENE_LATENCY)
	@for h in $(SCENE_WIDTHS); do rm -rf $(SCENES)/probes-$$h; $(SCENE_PROBES) --set retrain.hidden=$$h --checks 8 --out $(SCENES)/probes-$$h \
	&& $(MMNAS) profile $(SCENES)/probes-$$h --threads 1 --rounds 600 --out $(SCENE_LATENCY)/scenes-$$h.json || exit; done

# Six tenths of what MCAN takes at H 128, measured whole (0.204 to 0.208 ms; these tables say 0.221). Alpha starts early: it leans to guided
# attention, and only then do the shared weights learn what the image has to do with the question.
SCENES_AT_MOST := 0.122
SCENE_TIME_RECORDS := $(if $(filter search/experiments/scenes/latency,$(SCENE_LATENCY)),$(SCENE_RECORDS),$(SCENE_LATENCY)/records)
TIME_SCENES := --set space.decoder=6 --set search.alpha_from_epoch=3 --set search.weights.epochs=20
# Three networks at two rates and the search cost about as much as the eight trainings of four random architectures.
SCENE_FINALS := --set 'search.finals={ networks = 3, rates = [1.0, 2.0], candidates = { architectures = 64, samples = 2000, temperature = 4.0 } }'
time-scenes: | $(SCENES)/features/features.json
	@mkdir -p $(SCENE_TIME_RECORDS) && $(SEARCH) compare --task vqa --recipe search/experiments/scenes/scenes_device.toml $(TIME_SCENES) $(SCENE_FINALS) \
	--samples $(SCENES)/data/train.vqa.jsonl --features $(SCENES)/features --seeds 3 \
	--of all --at-most $(SCENES_AT_MOST) $(foreach h,$(SCENE_WIDTHS),--latency $(SCENE_LATENCY)/scenes-$(h).json) \
	--contenders gradient@64,mcan:1,mcan-in-time,random-architecture@64,best-of-random:4@64 \
	--out $(SCENES)/time-$(SCENES_AT_MOST) --record $(SCENE_TIME_RECORDS)/time-060.json

# What the networks of that record take, measured whole beside what is predicted: their widths in turns, three times.
# $(1): a record. The widths of its networks.
widths_of = $$(grep -o '"hidden": [0-9]*' $(1) | grep -o '[0-9]*' | sort -nu)
measured-scenes: | build
	@for turn in 1 2 3; do for h in $(call widths_of,$(SCENE_TIME_RECORDS)/time-060.json); do at=$(SCENES)/measured-$$h-$$turn; rm -rf $$at $$at.json $$at.json.partial; mkdir -p $(SCENES); \
	$(SCENE_PROBES) $(TIME_SCENES) --set retrain.hidden=$$h --variants ort-fp32 --checks 0 --compared $(SCENE_TIME_RECORDS)/time-060.json --out $$at \
	&& $(MMNAS) profile $$at --threads 1 --rounds 300 --out $$at.json && $(SEARCH) predict --latency $$at.json || exit; done; done

# How well supernets rank networks of similar time: each of the ranked ones is also trained alone.
RANKED_AT_MOST := 0.133
ranking-scenes: | $(SCENES)/features/features.json
	@mkdir -p $(SCENE_TIME_RECORDS) && $(SEARCH) compare --task vqa --recipe search/experiments/scenes/scenes_device.toml $(TIME_SCENES) \
	--set retrain.hidden=64 --set search.weights.hidden=64 --set retrain.adam.lr=1e-3 --set search.weights.adam.lr=8e-4 \
	--samples $(SCENES)/data/train.vqa.jsonl --features $(SCENES)/features --seeds 1 --ranking 10 \
	--of all --at-most $(RANKED_AT_MOST) --latency $(SCENE_LATENCY)/scenes-64.json \
	--contenders gradient,evolution,evolution-fair,evolution-within --out $(SCENES)/ranking-$(RANKED_AT_MOST) --record $(SCENE_TIME_RECORDS)/ranking.json

# The front of one search: accuracy with shared weights against the times of a table. Networks of it, trained alone, beside MCAN.
FRONT := $(if $(filter search/experiments/scenes/latency,$(SCENE_LATENCY)),search/experiments/scenes/front,$(SCENE_LATENCY)/front)
front-scenes: | $(SCENES)/features/features.json
	@mkdir -p $(FRONT) $(SCENE_TIME_RECORDS)
	@$(SEARCH) search --task vqa --recipe search/experiments/scenes/scenes_device.toml --set search.weights.epochs=20 \
	--samples $(SCENES)/data/train.vqa.jsonl --features $(SCENES)/features --resume --out $(SCENES)/front-search
	@[ -e $(FRONT)/front.json ] || $(SEARCH) pareto $(SCENES)/front-search --samples $(SCENES)/data/train.vqa.jsonl \
	--features $(SCENES)/features --latency $(SCENE_LATENCY)/scenes-128.json --of all --population 24 --generations 10 --random 24 \
	--samples-compared 1000 --baselines found=$(SCENES)/front-search/architecture.json --out $(FRONT)/front.json --picture $(FRONT)/front.svg
	@$(SEARCH) compare --task vqa --recipe search/experiments/scenes/scenes_device.toml --samples $(SCENES)/data/train.vqa.jsonl \
	--features $(SCENES)/features --seeds 1 --contenders fast=$(FRONT)/front.json:6,mid=$(FRONT)/front.json:9,best=$(FRONT)/front.json:11,mcan:1 \
	--out $(SCENES)/front --record $(SCENE_TIME_RECORDS)/front.json
