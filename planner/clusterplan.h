/* Everything libclusterplan offers, in one include. */
#ifndef CLUSTERPLAN_CLUSTERPLAN_H
#define CLUSTERPLAN_CLUSTERPLAN_H

#include "common/cluster.h"
#include "planner/cost/cost.h"
#include "planner/cost/memory.h"
#include "planner/cost/training_cost.h"
#include "planner/explain.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"
#include "planner/inputs/stack.h"
#include "planner/inputs/training.h"
#include "planner/search/search.h"

#endif
