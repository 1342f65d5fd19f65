// Turns requests into replies. Keeps the last reply: the same frame again gets the same answer and
// nothing is done twice. Whatever comes in, it answers or ignores; it never hangs.
#pragma once

#include "framing.h"

namespace munas::dispatch {

// Says that the board has started, or answers the request that broke the previous boot.
void announce();

// Handles the frame that `in` has just completed.
void handle(const link::Deframer& in);

// Tells the host at once that something came which is no frame.
void refuse_corrupt();

}  // namespace munas::dispatch
