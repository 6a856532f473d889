/* Presets: what a paper or a program uses, as defaults for an experiment. `[distill] preset = NAME` lays the file
 * experiments/presets/NAME.ini (or a file named by its path) under the experiment; whatever the experiment says itself wins.
 *
 * To add one: drop a file there.
 *
 *     [preset]
 *     summary = one line
 *     source  = paper, or program and file
 *     base    = repdistiller   ; another preset, beneath this one; may be left out
 *     [distill]            ; then any keys of [data], [augment.NAME], [teacher], [student], [distill] and [distill.METHOD]
 *     methods = kd
 *
 * A key that nobody could read is refused. One that the experiment has no use for (it names another method, another
 * optimiser, weights instead of training) is passed over. */
#ifndef LBK_TRAIN_PRESET_H
#define LBK_TRAIN_PRESET_H

#include "base/ini.h"
#include "base/shipped.h"

extern const lbk_shipped_kind lbk_preset_kind;

typedef struct lbk_preset {
    const char *summary, *source, *base; /* in ini.arena */
    lbk_ini ini;                         /* with what its base says */
} lbk_preset;

/* Reads and checks the sections' and keys' names; values are read by the experiment. `folder`: where a path starts.
 * Release in every case. */
lbk_status lbk_preset_load(lbk_preset *preset, const char *name, const char *folder);
void lbk_preset_release(lbk_preset *preset);

#endif
