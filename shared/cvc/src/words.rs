//! Word list for reading fingerprints aloud. The words are short, common and easy to tell apart.

/// One word for each byte value.
pub(crate) const WORDS: [&str; 256] = [
    "acorn", "actor", "album", "alley", "amber", "angle", "ankle", "apple", "apron", "arena",
    "armor", "arrow", "atlas", "attic", "audio", "autumn", "bacon", "badge", "bagel", "baker",
    "bamboo", "banjo", "barrel", "basin", "basket", "beacon", "beaver", "bench", "berry",
    "bicycle", "bishop", "blanket", "blossom", "board", "bonfire", "border", "bottle", "bracket",
    "branch", "bread", "breeze", "bridge", "bronze", "brush", "bubble", "bucket", "bugle",
    "butter", "button", "cabin", "cactus", "camel", "camera", "canal", "candle", "canoe", "canyon",
    "carbon", "carpet", "carrot", "castle", "cattle", "cellar", "cement", "cereal", "chain",
    "chalk", "cherry", "chess", "circle", "circus", "citrus", "clay", "cliff", "clock", "cloud",
    "clover", "coast", "cobalt", "cocoa", "coffee", "comet", "compass", "copper", "coral",
    "corner", "cotton", "cradle", "crane", "crater", "crayon", "cricket", "crown", "crystal",
    "curtain", "daisy", "dancer", "danger", "debris", "degree", "delta", "denim", "desert",
    "diamond", "dinner", "dolphin", "domino", "donkey", "dragon", "drawer", "drum", "dune",
    "eagle", "earth", "echo", "elbow", "elder", "ember", "emerald", "engine", "envelope", "eraser",
    "fabric", "falcon", "family", "feather", "fence", "ferry", "fiddle", "field", "filter",
    "finger", "flame", "flute", "forest", "fossil", "fountain", "fox", "frost", "galaxy", "garden",
    "garlic", "gate", "ginger", "giraffe", "glacier", "glove", "goblet", "gold", "granite",
    "grape", "gravel", "guitar", "hammer", "harbor", "harvest", "hazel", "helmet", "hero",
    "hockey", "honey", "horizon", "hornet", "hotel", "iceberg", "igloo", "indigo", "insect",
    "island", "ivory", "jacket", "jaguar", "jasmine", "jersey", "jewel", "jigsaw", "jungle",
    "kayak", "kernel", "kettle", "kitten", "koala", "ladder", "lagoon", "lantern", "laptop",
    "lemon", "lettuce", "library", "lizard", "lobster", "lotus", "magnet", "mango", "maple",
    "marble", "market", "meadow", "melon", "mercury", "meteor", "mirror", "mosaic", "mountain",
    "muffin", "museum", "napkin", "needle", "nickel", "noodle", "oasis", "ocean", "olive", "onion",
    "opera", "orange", "orbit", "orchid", "otter", "oyster", "paddle", "palace", "panda", "pantry",
    "paper", "parade", "parrot", "pasta", "pebble", "pencil", "pepper", "piano", "pickle",
    "pigeon", "pillow", "pilot", "pirate", "planet", "plum", "pocket", "poem", "polar", "pony",
    "popcorn", "prairie", "puzzle", "quartz", "quilt", "rabbit", "radar", "radio", "raven",
    "ribbon", "river", "rocket", "saddle",
];

#[cfg(test)]
mod tests {
    use super::WORDS;

    #[test]
    fn no_word_occurs_twice() {
        let distinct: std::collections::HashSet<_> = WORDS.iter().collect();
        assert_eq!(distinct.len(), WORDS.len());
    }
}
