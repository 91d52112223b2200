# SPDX-License-Identifier: Apache-2.0
# needs: git
# packages: git
# git's bigger flows: rebase with a conflict, bisect, worktrees, gc, bare clone and push by file and by pack, submodule, stash, archive.
export HOME=$PWD GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1 GIT_EDITOR=true
git config --global protocol.file.allow always
git init -q -b main r; cd r
for i in $(seq 30); do seq $i $((i + 200)) > n; echo $i > f$i; git add -A; git commit -qm "c$i"; done
git checkout -qb side HEAD~5; echo side > n; git commit -qam side; echo more > g; git add g; git commit -qm more
git rebase main >/dev/null 2>&1; echo "conflict $?"; git status --short; echo merged > n; git add n; git rebase --continue >/dev/null 2>&1; git log --format=%s -3; git rev-parse HEAD
git bisect start -q main main~25 >/dev/null; git bisect run sh -c 'test ! -e f17' 2>/dev/null | grep 'first bad'; git bisect reset -q 2>/dev/null
git worktree add -q ../wt main 2>/dev/null; (cd ../wt && echo w > w && git add w && git commit -qm wt && git log -1 --format=%h); git worktree list | wc -l; git worktree remove ../wt
git gc -q --aggressive --prune=now; git count-objects -v | grep -E 'count|packs'; git fsck --full 2>/dev/null; echo "fsck $?"
cd ..; git clone -q --bare r b.git; git clone -q file://$PWD/b.git c 2>&1; cd c; echo z > z; git add z; git commit -qm z; git push -q origin HEAD 2>&1; git fetch -q; git log --oneline | wc -l; git rev-parse origin/HEAD
git submodule --quiet add ../r sub 2>&1; git commit -qm sub; git submodule status | cut -d' ' -f3; git stash list; echo q >> z; git stash -q; git stash pop -q; git diff --stat
git archive HEAD | tar -t | wc -l; git clone -q --depth 3 file://$PWD d; cd d; git log --oneline | wc -l; git repack -adq; git cherry-pick -x HEAD >/dev/null 2>&1; echo "pick $?"; git format-patch -q -1 --stdout | head -3 | tail -1
