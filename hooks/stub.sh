#!/bin/sh
# What a git hook calls: sh stub.sh <hook> [arguments git gave the hook]
# Decides with git alone whether mapped paths may have changed, and starts sync-run only then.
# Exits 1 where pre-commit blocks the commit, else 0 whatever happens.
# `sync-run hooks install` keeps a copy in the common git dir, where no branch can replace it, and beside it the
# file `paths`: the runtime, the entry of the installed package, and the mapped root, one per line.

if [ "${SYNC_RUN_HOOK-}" = 1 ] || [ "${SYNC_RUN-}" = 0 ]; then exit 0; fi
hook=$1
shift

# git sets GIT_DIR in linked worktrees and submodules; elsewhere hooks start at the top of the working tree.
git_dir=${GIT_DIR:-.git}
if [ ! -d "$git_dir" ]; then git_dir=$(git rev-parse --git-dir 2>/dev/null) || exit 0; fi
state=$git_dir/sync-run
[ -d "$state" ] || exit 0

runtime='' entry='' root=''
if [ -f "${0%/*}/paths" ]; then
  { IFS= read -r runtime && IFS= read -r entry && IFS= read -r root; } <"${0%/*}/paths"
fi
# The runner writes these two (src/git/hooks-facts.ts).
if [ -f "$state/root" ]; then IFS= read -r root <"$state/root"; fi
head=''
if [ -f "$state/head" ]; then IFS= read -r head <"$state/head"; fi

# A branch decides what lies in the working tree, and husky puts node_modules/.bin first.
top=$PWD
path=''
IFS=:
set -f
for folder in $PATH; do
  case $folder in
    "$top" | "$top"/*) ;;
    /*) path=${path:+$path:}$folder ;;
  esac
done
set +f
unset IFS
PATH=$path

ask() { git --no-optional-locks --literal-pathspecs "$@" 2>/dev/null; }
same() { ask diff --quiet --no-ext-diff --no-textconv --ignore-submodules=all "$@" -- "$root" sync-run.config.json; }

# True only where git is sure; sync-run looks closer at everything else.
untouched() {
  [ -n "$root" ] || return 1
  if [ "$hook" = pre-commit ]; then
    same --cached
  else
    case $head in '' | *[!0-9a-f]*) return 1 ;; esac
    same "$head" && untracked=$(ask ls-files --others --exclude-standard -- "$root") && [ -z "$untracked" ]
  fi
}
if untouched; then exit 0; fi

give_up() {
  printf 'sync-run: %s did nothing: %s\n' "$hook" "$1" >&2
  exit 0
}
again='Run this once: npx sync-run hooks install'
[ -f "$entry" ] || give_up "the installed package is gone (\"$entry\"). $again"
if [ ! -f "$runtime" ] || [ ! -x "$runtime" ]; then
  runtime=$(command -v node) || give_up "no Node.js was found. $again"
fi
# A package that came with a branch is not one that somebody installed.
case $entry in
  "$(pwd -P)"/*node_modules/*)
    modules=${entry%%/node_modules/*}/node_modules
    if ask ls-files --error-unmatch -- "$modules" >/dev/null; then
      give_up "git tracks files in \"$modules\". Install sync-run elsewhere, and run its \"hooks install\""
    fi
    ;;
esac

# Ends this shell.
start() {
  case ${runtime##*/} in
    deno | deno.exe) exec "$runtime" run --quiet --allow-all "$entry" "$git_dir" "$hook" "$@" ;;
    *) exec "$runtime" "$entry" "$git_dir" "$hook" "$@" ;;
  esac
}
if [ "$hook" = pre-commit ] && [ -n "$root" ]; then
  # What is staged, as src/git/status.ts asks for it: git finds out while the runtime starts.
  export SYNC_RUN_STATUS_OF="$root"
  ask status --porcelain=v2 --branch --no-ahead-behind -z --find-renames --ignore-submodules=all --untracked-files=no -- "$root" | (start "$@")
else
  (start "$@")
fi
# Not 1, with which a runtime ends that could not even load the entry.
if [ $? -eq 10 ]; then exit 1; fi
exit 0
