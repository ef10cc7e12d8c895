/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include "config/parse.h"

/*
 * Gives each section of a known kind its struct (cfg_section.obj), filled from its texts and the
 * table's defaults; each value is looked at alone. Returns 0 or -ENOMEM.
 */
int cfg_values_read(struct cfg_file *file, struct cfg_errors *errs);

#endif /* CONFIG_VALUES_H */
