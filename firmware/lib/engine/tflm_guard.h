// The way out of a set-up that cannot go on. TensorFlow Lite Micro answers a model that it does not
// like, or an arena that is too small, with an assertion as often as with a status; without
// exceptions this is what leads back from there. Only set-up is guarded: an inference is measured,
// and a guard would be measured with it.
#pragma once

#include "engine.h"

namespace munas::engine {

// What `work` returns, or what was given to `leave` while it ran. Nothing that needs a destructor
// may live in between.
Outcome guarded(Outcome (*work)());

// Returns only where nothing is guarded.
void leave(const Outcome& outcome);

}  // namespace munas::engine
