/* Everything libclusterplan offers, in one include. */
#ifndef CLUSTERPLAN_CLUSTERPLAN_H
#define CLUSTERPLAN_CLUSTERPLAN_H

#include "common/cluster.h"
#include "planner/cost.h"
#include "planner/explain.h"
#include "planner/layout.h"
#include "planner/memory.h"
#include "planner/model.h"
#include "planner/search.h"
#include "planner/stack.h"
#include "planner/training.h"

#endif
