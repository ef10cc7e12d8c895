/* SPDX-License-Identifier: BSD-3-Clause */
/* Between state.c (files and locks) and state_text.c (what stands in them). */
#ifndef PMD_SRIOV_STATE_PRIV_H
#define PMD_SRIOV_STATE_PRIV_H

#include <stdio.h>

#include "pmd/sriov/state.h"

void pmd_state_vf_print(FILE *f, const struct pmd_vf_state *st);
void pmd_state_pf_print(FILE *f, const struct pmd_pf_state *st);

/* What is understood goes into *st; `damaged`: that was not all of it. Changes text. */
void pmd_state_vf_parse(char *text, struct pmd_vf_state *st);
void pmd_state_pf_parse(char *text, struct pmd_pf_state *st);

#endif /* PMD_SRIOV_STATE_PRIV_H */
