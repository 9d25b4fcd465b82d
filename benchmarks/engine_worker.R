# One program's fits of one case, on demand: an R process that times each fit itself.
#
#   Rscript engine_worker.R PROGRAM CASE.csv SPEC.json
#
# As engine_worker.py: reads the data, then makes one fit for every line that it is sent and answers with a line of JSON.
options(warn = -1)
arguments <- commandArgs(trailingOnly = TRUE)
program <- arguments[1]
say <- function(...) {
  cat(jsonlite::toJSON(list(...), auto_unbox = TRUE, digits = NA), "\n", sep = "")
  flush(stdout())
}
spec <- jsonlite::fromJSON(arguments[3], simplifyVector = TRUE)
data <- read.csv(arguments[2])
for (name in names(spec$levels)) data[[name]] <- factor(data[[name]], spec$levels[[name]])
needed <- list(
  "mmrm" = "mmrm", "lme4" = "lme4", "lme4 + lmerTest" = "lmerTest", "lme4 + pbkrtest" = c("lmerTest", "pbkrtest"),
  "nlme" = "nlme"
)[[program]]
for (package in needed) {
  if (!suppressMessages(require(package, character.only = TRUE, quietly = TRUE))) {
    say(ready = FALSE, problem = paste("not installed: R package", package))
    quit(save = "no")
  }
}
formula <- as.formula(spec$formula)
given <- spec$options
fit <- switch(program,
  "mmrm" = function() {
    found <- mmrm(formula, data, method = given$method)
    coef(summary(found))
    as.numeric(logLik(found))
  },
  "lme4" = function() as.numeric(logLik(lmer(formula, data))),
  "lme4 + lmerTest" = ,
  "lme4 + pbkrtest" = function() {
    found <- lmer(formula, data)
    coef(summary(found, ddf = given$ddf))
    as.numeric(logLik(found))
  },
  "nlme" = function() {
    if (given$fit == "gls") {
      found <- do.call(gls, list(
        model = formula, data = data, correlation = corSymm(form = as.formula(given$correlation)),
        weights = varIdent(form = as.formula(given$weights))
      ))
    } else {
      found <- do.call(lme, list(fixed = formula, data = data, random = as.formula(given$random)))
    }
    coef(summary(found))
    as.numeric(logLik(found))
  }
)
say(ready = TRUE, version = paste(needed, sapply(needed, function(name) as.character(packageVersion(name))), collapse = ", "))
input <- file("stdin", open = "r")
while (length(readLines(input, 1)) > 0) {
  answer <- tryCatch(
    {
      before <- proc.time()
      start <- as.numeric(Sys.time())
      loglik <- fit()
      wall <- as.numeric(Sys.time()) - start
      used <- proc.time() - before
      list(wall = wall, cpu = used[["user.self"]] + used[["sys.self"]], loglik = loglik)
    },
    error = function(problem) list(problem = substr(conditionMessage(problem), 1, 300))
  )
  do.call(say, answer)
}
