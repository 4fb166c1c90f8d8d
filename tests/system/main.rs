//! Whole-system tests, one binary so that it is linked once; a module per topic.
