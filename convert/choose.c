/* Architecture, publisher and preset; see choose.h. */
#include "convert/choose.h"

#include <string.h>

#include "convert/match.h"

/* The preset that goes with a publisher's names; the architecture's first where it has none of that name. */
static kohl_status preset_of(kohl_context *ctx, const char *arch, kohl_naming naming, const kohl_preset **preset) {
  const char *word = naming == KOHL_NAMING_KERAS ? NULL : kohl_naming_word(naming);
  kohl_status status = kohl_preset_find(ctx, arch, word, preset);
  return status == KOHL_USAGE && word ? kohl_preset_find(ctx, arch, NULL, preset) : status;
}

/* How many weights of an architecture the file has; 0 unless all in front of the head are there. */
static kohl_status count_weights(kohl_context *ctx, const kohl_source *source, const char *arch, size_t *fitting) {
  const kohl_preset *preset = NULL;
  kohl_names names = {0};
  kohl_naming naming;
  kohl_graph *graph = NULL;
  size_t needed = 0, found = 0, all = 0;
  kohl_status status = kohl_names_naming(ctx, source, arch, &naming);
  if (!status) status = preset_of(ctx, arch, naming, &preset);
  if (!status) status = kohl_arch_build(ctx, arch, &preset->options, &graph);
  if (!status) status = kohl_names_read(ctx, source, arch, naming, preset, false, false, &names);
  if (!status) kohl_match_count(graph, &names, &needed, &found, &all);
  kohl_names_free(ctx, &names);
  kohl_graph_destroy(ctx, graph);
  *fitting = !status && needed == found ? all : 0;
  return status == KOHL_NO_RESOURCE || status == KOHL_INTERRUPTED ? status : KOHL_OK; /* others do not fit */
}

/* The architecture of which the file has the most; of equal ones, which have one base, the first. */
static kohl_status detect(kohl_context *ctx, const kohl_source *source, const char **arch) {
  size_t most = 0, fitting;
  kohl_status status = KOHL_OK;
  for (size_t i = 0; kohl_arch_at(i) && !status; i++) {
    status = count_weights(ctx, source, kohl_arch_at(i)->name, &fitting);
    if (!status && fitting > most) {
      most = fitting;
      *arch = kohl_arch_at(i)->name;
    }
    if (!status) status = kohl_check_cancel(ctx);
  }
  if (status) return status;
  if (most == 0)
    return kohl_fail(ctx, KOHL_USAGE,
                     "%s: the architecture is not given (--arch), the file does not describe it, and its names fit "
                     "none that is known",
                     source->path);
  kohl_log(ctx, KOHL_LOG_INFO, "%s: has the layers of %s", source->path, *arch);
  return KOHL_OK;
}

static kohl_status choose_described(kohl_context *ctx, const kohl_source *source, const kohl_convert_options *options,
                                    kohl_choice *choice) {
  const char *name = options->preset;
  choice->described = true;
  choice->naming = KOHL_NAMING_KERAS;
  choice->arch = options->arch ? options->arch : "";
  if (options->arch) return kohl_preset_find(ctx, options->arch, name, &choice->preset);
  choice->preset = name ? kohl_preset_any(name) : NULL;
  if (choice->preset) return KOHL_OK;
  return kohl_fail(ctx, KOHL_USAGE,
                   "%s: --preset '%s', expected whose pictures the network was trained on: keras (p/127.5 - 1), nsfwjs "
                   "(p/255), torchvision, keras-caffe, or pixels (0 to 255, where the network itself scales them)",
                   source->path, name ? name : "");
}

kohl_status kohl_choose(kohl_context *ctx, const kohl_source *source, const kohl_convert_options *options,
                        kohl_choice *choice) {
  const kohl_arch *arch;
  kohl_status status = options->arch ? kohl_arch_find(ctx, options->arch, &arch) : KOHL_OK;
  *choice = (kohl_choice){.arch = options->arch};
  if (status) return status;
  if (source->describes && (!options->arch || source->own_layers))
    return choose_described(ctx, source, options, choice);
  if (!choice->arch) status = detect(ctx, source, &choice->arch);
  if (!status) status = kohl_names_naming(ctx, source, choice->arch, &choice->naming);
  if (status) return status;
  if (options->preset) return kohl_preset_find(ctx, choice->arch, options->preset, &choice->preset);
  status = preset_of(ctx, choice->arch, choice->naming, &choice->preset);
  if (!status)
    kohl_log(ctx, KOHL_LOG_INFO, "%s: preset '%s' of %s is assumed", source->path, choice->preset->name, choice->arch);
  return status;
}
