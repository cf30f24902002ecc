// A browser may not fetch pages of file://, of which search results show a piece: the titles alone are shown there.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
