# Subgroups of a within-patient trial: lme4, lmerTest (Satterthwaite) and emmeans.
# Run here: Rscript program.R
options(digits = 15)
suppressPackageStartupMessages({library(lmerTest); library(emmeans); library(jsonlite)})
d <- merge(merge(read.csv("assessments.csv"), read.csv("lesions.csv")), read.csv("patients.csv"))
d$arm <- factor(d$arm, c("Laser", "PRP", "Laser + PRP"))
d$site <- factor(d$site, c("face", "trunk", "acral"))
d$sex <- factor(d$sex, c("female", "male"))

of <- function(covariate) {
  fit <- lmer(as.formula(paste("score ~ arm + site + arm *", covariate, "+ (1 | patient)")), d,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
  means <- emmeans(fit, as.formula(paste("~ arm |", covariate)), lmer.df = "satterthwaite", weights = "proportional")
  within <- contrast(means, list("(Laser + PRP) - Laser" = c(-1, 0, 1), "(Laser + PRP) - PRP" = c(0, -1, 1)))
  table <- as.data.frame(confint(within))
  L <- within@linfct                                  # contrasts within level: two rows a level
  first <- L[1:2, , drop = FALSE]
  changes <- do.call(rbind, lapply(seq(3, nrow(L), by = 2), function(i) L[i:(i + 1), , drop = FALSE] - first))
  joint <- contestMD(fit, changes)
  list(
    loglik = as.numeric(logLik(fit)),
    rows = data.frame(contrast = as.character(table$contrast), level = as.character(table[[covariate]]),
      estimate = table$estimate, std_error = table$SE, df = table$df, conf_low = table$lower.CL,
      conf_high = table$upper.CL),
    f = joint[["F value"]], df_num = joint[["NumDF"]], df_den = joint[["DenDF"]], p = joint[["Pr(>F)"]]
  )
}
software <- paste(R.version.string, paste(sapply(c("lme4", "lmerTest", "emmeans"),
  function(p) paste(p, packageVersion(p))), collapse = ", "), sep = ", ")
write(toJSON(list(software = software, site = of("site"), sex = of("sex")), digits = 12, auto_unbox = TRUE, pretty = TRUE),
      "reference.json")
